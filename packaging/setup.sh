#!/bin/sh
# Installs what building (and with "test" as argument, testing) Sotto needs on Debian and Ubuntu.
# Asks nothing when root; otherwise through sudo. Does nothing when nothing is missing.
set -eu

build="gcc pkg-config libgl1-mesa-dev xorg-dev libwayland-dev libxkbcommon-dev ca-certificates"
run="libgl1-mesa-dri xdg-utils tor"
test="xvfb openbox tesseract-ocr openssl git fonts-dejavu-core dbus desktop-file-utils obfs4proxy iproute2 pulseaudio"

packages="$build $run"
[ "${1:-}" = test ] && packages="$packages $test"

missing=""
for p in $packages; do
	case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null || true) in
	"install ok installed") ;;
	*) missing="$missing $p" ;;
	esac
done
command -v go >/dev/null 2>&1 || [ -x /usr/local/go/bin/go ] || missing="$missing golang-go"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "Sotto needs these packages, which apt-get could install on Debian or Ubuntu:$missing" >&2
	exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 || { echo "To install$missing, run this as root." >&2; exit 1; }
	as_root=sudo
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq || echo "The package list could not be updated; going on with the one that is here." >&2
# Debian's package starts a Tor of the system's, which nobody has asked for: Sotto runs its own when it is wanted.
policy=/usr/sbin/policy-rc.d
case " $missing " in
*" tor "*)
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\ncase "$1" in tor*) exit 101 ;; esac\n' | $as_root tee "$policy" >/dev/null
		$as_root chmod +x "$policy"
		trap '$as_root rm -f "$policy"' EXIT
	fi
	;;
esac
# shellcheck disable=SC2086 # the list is meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
case " $missing " in
*" tor "*) command -v systemctl >/dev/null 2>&1 && $as_root systemctl disable --quiet tor.service 2>/dev/null || true ;;
esac
