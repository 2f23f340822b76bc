# The pages are built apart: where they are served, nothing of Node.js is needed.
FROM python:3.11-slim AS pages

WORKDIR /build
COPY requirements-pages.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-pages.txt
WORKDIR /build/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY dashboard ./
RUN node node_modules/vite/bin/vite.js build


FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# /data is for whoever runs `duetime up` here with the servers that it brings.
RUN useradd --uid 10001 --create-home duetime && install --directory --owner duetime --mode 0700 /data
WORKDIR /app

COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt

COPY . .
COPY --from=pages /build/graphql_api/static graphql_api/static
# Editable, so that alembic/ is where db/ looks for it: beside itself.
RUN pip install --no-deps --no-build-isolation --editable .

USER 10001
WORKDIR /home/duetime

ENV HOST=0.0.0.0 \
    PORT=8080 \
    DUETIME_DATA_DIR=/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health\", timeout=4)"]

ENTRYPOINT ["duetime"]
CMD ["up"]
