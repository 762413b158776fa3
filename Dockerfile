# syntax=docker/dockerfile:1
# One image for every role: `serve --role api|worker`, `migrate`, `demo`, `toss-emulator`, `load`.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches belong to the builder and not to the image, so the programs are copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --bin grandstand --bin grandstand-load \
    && cp target/release/grandstand target/release/grandstand-load /usr/local/bin/

FROM debian:bookworm-slim
# ca-certificates for calls to the payment gateway, curl for the health checks.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin grandstand
COPY --from=build /usr/local/bin/grandstand /usr/local/bin/grandstand-load /usr/local/bin/
USER 10001
ENV GRANDSTAND_LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# `live`, not `ready`: a server that waits for its database must not be called broken.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD curl -fsS -o /dev/null "http://127.0.0.1:${GRANDSTAND_LISTEN##*:}/health/live"
ENTRYPOINT ["grandstand"]
CMD ["serve", "--role", "all"]
