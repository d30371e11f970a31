import socket

import pytest

from tifo.kernel.errors import Rejected
from tifo.web.listening import check_port, free_port


def test_a_free_port_can_be_listened_on() -> None:
    check_port("127.0.0.1", free_port())


def test_a_port_that_is_in_use_is_refused_by_its_address_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Rejected, match=f"127.0.0.1:{port}.*--port") as caught:
            check_port("127.0.0.1", port)
    assert caught.value.field == "port"
