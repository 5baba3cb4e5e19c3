# The operator's image: what it imports and nothing else. No shell, no package manager, no build tool, not root.
#   docker build -t sagemaker-gitops .
# Run it with a read-only root file system; it writes nothing.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY tools/uv.txt tools/uv.txt
RUN python -m venv /uv && /uv/bin/pip install --no-cache-dir --require-hashes -r tools/uv.txt
COPY pyproject.toml uv.lock README.md ./
# By time they would be void after the copy below, and be compiled at every start.
ENV PYC_INVALIDATION_MODE=UNCHECKED_HASH
# uv.lock holds the hash of every file; --locked refuses anything else.
RUN /uv/bin/uv sync --locked --no-default-groups --group operator --no-install-project --compile-bytecode
COPY operator operator
COPY jobs/monitoring jobs/monitoring
RUN /uv/bin/uv sync --locked --no-default-groups --group operator --no-editable --compile-bytecode \
    && cp -r .venv/lib/python3.13/site-packages /packages \
    # uv notes when it built, which would make every build another layer.
    && rm /packages/sagemaker_gitops-*.dist-info/uv_cache.json && sed -i /uv_cache/d /packages/sagemaker_gitops-*.dist-info/RECORD

FROM gcr.io/distroless/python3-debian13:nonroot
COPY --from=build /packages /packages
ENV PYTHONPATH=/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER nonroot
EXPOSE 8080
ENTRYPOINT ["/usr/bin/python3", "-m", "sagemaker_gitops", "run"]
