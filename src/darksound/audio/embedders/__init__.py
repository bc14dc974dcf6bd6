"""Sound to vectors by models that others made."""
