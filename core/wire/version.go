package wire

import (
	"strconv"
	"strings"
)

// VersionRange is an inclusive range of protocol versions.
type VersionRange struct{ Min, Max uint16 }

// Agree returns the highest version in both ranges.
func (v VersionRange) Agree(peer VersionRange) (version uint16, ok bool) {
	version = min(v.Max, peer.Max)
	return version, version >= v.Min && version >= peer.Min
}

// Contains tells whether version is in the range.
func (v VersionRange) Contains(version uint16) bool { return v.Min <= version && version <= v.Max }

// String is the textual form: "6-18", or "6" for a range of one (encoding.md §6).
func (v VersionRange) String() string {
	if v.Min == v.Max {
		return strconv.Itoa(int(v.Min))
	}
	return strconv.Itoa(int(v.Min)) + "-" + strconv.Itoa(int(v.Max))
}

// ParseVersionRange reads the textual form.
func ParseVersionRange(s string) (VersionRange, error) {
	lo, hi, found := strings.Cut(s, "-")
	if !found {
		hi = lo
	}
	a, err1 := strconv.ParseUint(lo, 10, 16)
	b, err2 := strconv.ParseUint(hi, 10, 16)
	if err1 != nil || err2 != nil || a > b {
		return VersionRange{}, ErrSyntax
	}
	return VersionRange{uint16(a), uint16(b)}, nil
}

// Append appends the binary form.
func (v VersionRange) Append(b []byte) []byte { return AppendUint16(AppendUint16(b, v.Min), v.Max) }

// VersionRange reads a range; its minimum above its maximum is an error.
func (r *Reader) VersionRange() VersionRange {
	v := VersionRange{Min: r.Uint16(), Max: r.Uint16()}
	if v.Min > v.Max {
		r.Fail(ErrSyntax)
		return VersionRange{}
	}
	return v
}
