#!/usr/bin/env bash
# Builds the Dockerfile for real without Docker, runs its program, and leaves build/image.tar (`docker load`).
#
# The base image is a bookworm made by debootstrap. On machines that reach the world through something of their own:
#   IMAGE_MIRROR    Debian mirror in place of debootstrap's own choice
#   IMAGE_APT_CONF  a file of apt settings for the build
#   SSL_CERT_FILE   CA certificates for pip and npm, in place of Debian's
#   PIP_INDEX_URL, NPM_CONFIG_REGISTRY, http_proxy, https_proxy, no_proxy   as they are known
# All of it is there while the image is built, and none of it is in the image.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo --preserve-env=IMAGE_MIRROR,IMAGE_APT_CONF,SSL_CERT_FILE,PIP_INDEX_URL,NPM_CONFIG_REGISTRY,http_proxy,https_proxy,no_proxy "$0"
fi

missing=()
while read -r package; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done < <(grep -v '^#' tools/image_packages.txt)
if [ "${#missing[@]}" -gt 0 ]; then
    echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

mirror=(${IMAGE_MIRROR:+"$IMAGE_MIRROR"})
base=docker.io/library/debian:bookworm-slim
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/roundhouse-image.XXXXXX")
export BUILDAH_ISOLATION=chroot
# A storage of its own: it goes with the scratch folder, and no other image is touched. vfs works on any file system.
bh() { buildah --storage-driver vfs --root "$scratch/storage" --runroot "$scratch/run" "$@"; }
finish() {
    status=$?
    bh rm --all >/dev/null 2>&1 || true
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
step() { printf '\n== %s\n' "$*"; }

step "Base image: bookworm from ${mirror[0]:-the mirror that debootstrap chooses}"
debootstrap --variant=minbase bookworm "$scratch/base" "${mirror[@]}" >"$scratch/debootstrap.log" ||
    { tail -n 20 "$scratch/debootstrap.log"; exit 1; }
rm -rf "$scratch"/base/var/cache/apt/* "$scratch"/base/var/lib/apt/lists/* "$scratch"/base/usr/share/{doc,man,info}/*
rm -f "$scratch/base/etc/resolv.conf" "$scratch/base/etc/hostname"
container=$(bh from scratch)
bh add --quiet "$container" "$scratch/base" / >/dev/null
bh commit --quiet --rm "$container" "$base" >/dev/null
rm -rf "$scratch/base"

step "Build"
# What the build is given and the image does not keep.
secrets=(--secret "id=environment,src=$scratch/environment")
for name in PIP_INDEX_URL NPM_CONFIG_REGISTRY http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || printf '%s=%q\n' "$name" "${!name}"
done >"$scratch/environment"
if [ -n "${IMAGE_APT_CONF:-}" ]; then
    secrets+=(--secret "id=apt,src=$IMAGE_APT_CONF")
    echo "APT_CONFIG=/run/secrets/apt" >>"$scratch/environment"
fi
if [ -n "${SSL_CERT_FILE:-}" ]; then
    secrets+=(--secret "id=ca,src=$SSL_CERT_FILE")
    printf '%s=/run/secrets/ca\n' SSL_CERT_FILE PIP_CERT NPM_CONFIG_CAFILE >>"$scratch/environment"
fi
# Objects that this machine has compiled already are not compiled again.
volumes=()
if cache=$(ccache --get-config cache_dir 2>/dev/null) && [ -d "$cache" ]; then
    volumes+=(--volume "$cache:/root/.cache/ccache")
fi
version=$(sed -n 's/^project(roundhouse VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
bh bud --pull-never --format docker --tag "roundhouse:$version" --build-arg "VERSION=$version" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)" "${secrets[@]}" "${volumes[@]}" . \
    >"$scratch/build.log" 2>&1 || { tail -n 40 "$scratch/build.log"; exit 1; }

step "What the image says of itself"
bh inspect --type image --format 'user {{.Docker.Config.User}}, entrypoint {{.Docker.Config.Entrypoint}}, command {{.Docker.Config.Cmd}}
health {{.Docker.Config.Healthcheck.Test}}
labels {{.Docker.Config.Labels}}' "roundhouse:$version"

step "Smoke test, as the image's user"
container=$(bh from --pull-never "roundhouse:$version")
touch "$scratch/begin"
bh run --isolation chroot --volume "$PWD/tools/image_smoke.sh:/smoke.sh:ro" "$container" sh /smoke.sh
root=$(bh mount "$container")
# Nothing but /tmp and the volume was written to, so the root file system may be read-only. (Four files are buildah's.)
written=$(find "$root" -newer "$scratch/begin" -type f -not -path "$root/tmp/*" -not -path "$root/var/lib/roundhouse/*" |
    grep -v -x -e "$root/etc/hosts" -e "$root/etc/hostname" -e "$root/etc/resolv.conf" -e "$root/smoke.sh" || true)
if [ -n "$written" ]; then
    printf 'Files of the image changed while it ran:\n%s\n' "$written" >&2
    exit 1
fi
du -sh --apparent-size "$root" | sed 's/\t.*/ in the image/'

step "build/image.tar"
rm -f build/image.tar
bh push --quiet "roundhouse:$version" "docker-archive:build/image.tar:roundhouse:$version"
ls -l build/image.tar
