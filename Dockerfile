# syntax=docker/dockerfile:1
# One image for web, worker and beat. GPU nodes build the `training` target on top of it.
FROM python:3.11-slim AS platform
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PLATFORM_DATA=/data
WORKDIR /app
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN useradd --uid 10001 --create-home platform && mkdir /data && chown 10001 /data
USER 10001
# Throw-away secrets: they exist only while texts are compiled and static files collected.
RUN PLATFORM_DATA=/tmp/build python manage.py messages --compile
VOLUME /data
EXPOSE 8000
CMD ["sh", "-c", "python manage.py collectstatic --noinput -v 0 && exec uvicorn llmplatform.asgi:application --host 0.0.0.0 --port 8000 --no-access-log --no-server-header --http llmplatform.server:OneWriteProtocol --ws-per-message-deflate false --no-proxy-headers"]

FROM platform AS training
USER root
RUN python training/environment/install.py /opt/training
ENV TRAINING_PYTHON=/opt/training/bin/python
USER 10001
# General tasks, and those of the node that this machine is.
CMD ["sh", "-c", "exec python -m llmplatform.background worker celery node.${NODE_NAME:-$(hostname)}"]
