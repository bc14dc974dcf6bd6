"""Download, verification and safe unpacking of published data sets."""
