"""What tests share: databases, a PostgreSQL server of their own, the system's browser."""
