# docker build -t darksound . && docker run --rm -v "$PWD/recordings:/data:ro" -v "$PWD/runs:/runs" \
#   darksound mec --data /data --out /runs/first
FROM python:3.12-slim

# An index with CPU builds of torch (see pytorch.org) makes the image some gigabytes smaller:
# docker build --build-arg PIP_EXTRA_INDEX_URL=... -t darksound .
ARG PIP_EXTRA_INDEX_URL
COPY pyproject.toml README.md LICENSE /src/
COPY src /src/src
RUN pip install --no-cache-dir /src && rm -r /src

ENV DARKSOUND_CACHE=/cache DARKSOUND_DATA=/sets
VOLUME ["/cache", "/sets", "/runs"]
WORKDIR /runs
ENTRYPOINT ["darksound"]
CMD ["--help"]
