# The pages are built in a stage of their own, so that the final image needs no Node.js.
FROM python:3.11-slim AS pages

WORKDIR /build
COPY requirements-pages.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-pages.txt
COPY schema.graphql ./
WORKDIR /build/dashboard
COPY dashboard/package.json dashboard/package-lock.json dashboard/.npmrc ./
RUN npm ci
COPY dashboard ./
RUN node node_modules/vite/bin/vite.js build


FROM python:3.11-slim AS dependencies

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt /tmp/
RUN pip install --require-hashes --requirement /tmp/requirements.txt


# The final image gets nothing of the sources but the wheel.
FROM dependencies AS wheel

WORKDIR /build
COPY . .
COPY --from=pages /build/graphql_api/static graphql_api/static
RUN python -m hatchling build --target wheel --directory /wheel


FROM dependencies

# `duetime up` keeps the data of its embedded servers in /data.
RUN useradd --uid 10001 --create-home duetime && install --directory --owner duetime --mode 0700 /data
COPY --from=wheel /wheel /wheel
RUN pip install --no-index --no-deps /wheel/*.whl && rm -r /wheel

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
