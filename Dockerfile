ARG NODE_VERSION
FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY src ./src
# The Node that comes with the dependencies is for machines without one; the image has its own.
RUN node_modules/.bin/tsc -p tsconfig.json \
    && npm prune --omit=dev \
    && rm -rf node_modules/node-linux-* node_modules/.bin/node

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json tailrace LICENSE README.md CHANGELOG.md ./
COPY scripts/stack-generator.sh ./scripts/
# Named volumes take the owner of the folder they are laid over.
RUN ln -s /app/tailrace /usr/local/bin/tailrace \
    && install -d -o node -g node -m 0700 /var/lib/tailrace \
    && install -d -o node -g node -m 0755 /var/log/demo
USER 1000:1000
# Every role says more in docker-compose.yml; an image that cannot start its program is unhealthy wherever it runs.
HEALTHCHECK --interval=60s --timeout=10s CMD ["tailrace", "version"]
ENTRYPOINT ["tailrace"]
CMD ["--help"]
