"""What people take away: tables and figures."""
