"""Stores uploaded images in the state: every api process can serve them, and a backup of the state contains them."""

from sqlalchemy import insert, select

from tifo.engagement.images import Image
from tifo.store.sql.database import Database
from tifo.store.sql.tables import engagement as t


class SqlImages:
    """Implements `engagement.images.Images`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, digest: str, image: Image) -> None:
        row = {"digest": digest, "media_type": image.media_type, "content": image.content}
        known = select(t.images.c.digest).where(t.images.c.digest == digest)
        with self._database.writing() as connection:
            # The digest is the content's own: what is there is the same picture.
            if connection.execute(known).first() is None:
                connection.execute(insert(t.images), row)

    def find(self, digest: str) -> Image | None:
        query = select(t.images.c.content, t.images.c.media_type).where(t.images.c.digest == digest)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Image(bytes(row.content), row.media_type)
