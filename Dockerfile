# The site and the commands. No embedded PostgreSQL in here: DATABASE_URL names the server.
FROM node:22-bookworm-slim AS player
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY scripts/build-player.mjs scripts/build-player.mjs
COPY player player
RUN npm run build

FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip install --require-hashes -r requirements/runtime.txt

COPY . .
COPY --from=player /app/static/player static/player
# The key of a build is thrown away; the running site has its own.
RUN SECRET_KEY=build STEMSET_VAR_DIR=/tmp/build python manage.py collectstatic --no-input \
    && useradd --create-home --uid 1000 stemset \
    && mkdir -p /data/media /data/var /data/input \
    && chown -R stemset:stemset /data

USER 1000
ENV STEMSET_VAR_DIR=/data/var \
    MEDIA_ROOT=/data/media \
    STEMSET_BIND=0.0.0.0:8000
VOLUME ["/data"]
EXPOSE 8000
CMD ["gunicorn", "--config", "python:stemset.gunicorn", "stemset.wsgi"]
