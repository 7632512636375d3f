#!/bin/sh
# Prints a Go command that can build Sotto. A Go before 1.21 does not fetch the toolchain that
# go.mod asks for by itself; it is fetched as a module then, like every other dependency.
set -eu

go=$(command -v go || echo /usr/local/go/bin/go)
want=$(sed -n 's/^go //p' go.mod)
have=$($go env GOVERSION)
minor=${have#go1.}
minor=${minor%%[!0-9]*}
if [ "${minor:-0}" -ge 21 ]; then
	echo "$go"
	exit 0
fi
module="golang.org/toolchain@v0.0.1-go$want.$($go env GOOS)-$($go env GOARCH)"
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
dir=$(cd "$empty" && GOFLAGS=-mod=mod $go mod download -json "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p')
[ -n "$dir" ] || { echo "Go $want could not be fetched; install it and try again." >&2; exit 1; }
if [ ! -x "$dir/bin/go" ]; then
	chmod -R u+w "$dir"
	chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*
fi
echo "$dir/bin/go"
