"""Views: each takes an http_request and a viewer, asks queries, fills a presenter, calls a flow."""
