# The suite in a container, every package at the version that it was tested with: docker build -t diffbench .
# Without a GPU: --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes an image a tenth of the size.
FROM python:3.11-slim-bookworm

# git: results say of which commit they are; kubectl: profiles/kubernetes hands jobs to it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git kubernetes-client \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/diffbench
COPY . .
ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -c requirements.lock -e '.[cluster]' \
    && git config --system --add safe.directory /opt/diffbench

# Results go to the folder that is mounted here, whoever runs the container; Snakemake wants a home.
WORKDIR /work
ENV HOME=/tmp USER=diffbench
CMD ["diffbench", "run", "digits"]
