"""The ledger in a relational database: tables, migrations, and what is done in one transaction each."""
