"""SQL tables, migrations, and every SQL implementation of the other rooms' contracts. Never holds a rule."""
