"""PostgreSQL: connections, migrations, and the journal that makes an effect happen exactly once."""
