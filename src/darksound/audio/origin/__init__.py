"""Where a recording is from: what its name and its header say of date, time, recorder and gain."""
