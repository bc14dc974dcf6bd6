"""Results for people and other programs: page, figures, tables and exports."""
