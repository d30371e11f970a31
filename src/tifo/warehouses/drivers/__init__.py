"""One driver a warehouse product. A driver loads rows in one transaction; it never decides when."""
