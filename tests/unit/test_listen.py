"""The socket on which the API listens."""

import socket

from duetime.listener import listen
from graphql_api.settings import ApiSettings


def test_responses_are_sent_immediately() -> None:
    """No part of a response waits until the client acknowledges the part before it, which takes 40 ms."""
    with (
        listen(ApiSettings.model_construct(port=0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
