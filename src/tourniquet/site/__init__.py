"""Django settings, root URLs, ASGI: where web and edge meet on one port."""
