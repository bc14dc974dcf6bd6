"""Sound in: reading, resampling, and the front end from waveform to image."""
