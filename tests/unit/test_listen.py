"""The socket that the API listens on."""

import socket

from duetime.api import listen
from graphql_api.settings import ApiSettings


def test_answers_are_sent_at_once() -> None:
    """No part of an answer waits for the acknowledgement of the part before it, which takes 40 ms."""
    with (
        listen(ApiSettings.model_construct(port=0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
