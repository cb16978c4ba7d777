"""Pages of the downtime desk: a process of its own, with addresses of its own."""
