# daprd with a shell: it takes the authority's certificate only from its environment, and in a composition that is a
# file.
#
# Not built with an image builder yet: no image could be pulled on the machine of development.
FROM daprio/daprd:1.18.2 AS dapr

FROM alpine:3.22
COPY --from=dapr /daprd /daprd
USER 65532:65532
ENTRYPOINT ["/bin/sh", "-c", "DAPR_TRUST_ANCHORS=$(cat /anchors/ca.crt) && export DAPR_TRUST_ANCHORS && exec /daprd \"$@\"", "daprd"]
