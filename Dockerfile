# The program, libchdb and librdkafka on Debian, for a user without rights and a read-only root file system: data
# lies in the volume /var/lib/roundhouse, /tmp may be a tmpfs. `docker build .`, or `make image` without Docker.
#
# Secrets that a build may be given, none of which stays: `environment`, lines NAME=VALUE for apt, pip and npm (a
# proxy, an index of packages), and `ca` and `apt`, files that those variables name. tools/image.sh uses them.

FROM docker.io/library/debian:bookworm-slim AS build
WORKDIR /src
COPY tools/ tools/
COPY tests/ tests/
RUN --mount=type=secret,id=environment --mount=type=secret,id=ca --mount=type=secret,id=apt \
    set -a; if [ -s /run/secrets/environment ]; then . /run/secrets/environment; fi; \
    tools/deps.sh --program
COPY . .
RUN CCACHE_BASEDIR=/src CCACHE_NOHASHDIR=1 sh -c 'cmake --preset release && ninja -C build/release roundhouse'
# What the run stage gets, in its places: the program looks for its libraries in ../lib.
RUN install -D -s --strip-program=llvm-strip-19 -t /image/usr/local/bin build/bin/roundhouse && \
    install -D -m 644 -t /image/usr/local/lib build/lib/libchdb.so build/lib/librdkafka.so.1 && \
    install -D -m 644 -t /image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt && \
    install -d -o 10001 -g 10001 -m 750 /image/var/lib/roundhouse && \
    cp /etc/passwd /etc/group /image/etc && \
    echo 'roundhouse:x:10001:10001::/var/lib/roundhouse:/usr/sbin/nologin' >>/image/etc/passwd && \
    echo 'roundhouse:x:10001:' >>/image/etc/group

FROM docker.io/library/debian:bookworm-slim
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="roundhouse" \
      org.opencontainers.image.description="CSV files of game rounds, counted exactly once and reconciled" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
COPY --from=build /image/ /
USER 10001:10001
# In a container a port can be reached only if the server listens on other than loopback, which needs a key: the
# first start makes one, and commands that run in the container use it.
ENV ROUNDHOUSE_DATA=/var/lib/roundhouse \
    ROUNDHOUSE_LISTEN=0.0.0.0:8080 \
    ROUNDHOUSE_KEYS_FIRST_FILE=/var/lib/roundhouse/first.key \
    ROUNDHOUSE_KEY_FILE=/var/lib/roundhouse/first.key
VOLUME /var/lib/roundhouse
EXPOSE 8080
STOPSIGNAL SIGTERM
# Alive, not ready: a server that waits for ClickHouse or Kafka takes files, and a restart would not help it.
HEALTHCHECK --interval=10s --timeout=12s --start-period=120s --retries=6 CMD ["roundhouse", "health", "--live"]
ENTRYPOINT ["roundhouse"]
CMD ["serve"]
