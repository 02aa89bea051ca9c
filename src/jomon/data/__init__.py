"""Sources, contracts and the layers of tables: bronze, silver, quarantine and gold."""
