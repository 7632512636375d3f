package tls13

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnknownIdentity tells that the server's identity certificate does not have the fingerprint
// of the address: this is another server, or somebody in between.
var ErrUnknownIdentity = errors.New("tls13: server does not have the identity of its address")

// ErrTruncated tells that the connection ended without the server's close_notify, so that
// something may be missing. It is an io.ErrUnexpectedEOF.
var ErrTruncated = fmt.Errorf("tls13: connection cut off: %w", io.ErrUnexpectedEOF)

// VersionError tells that the server chose a TLS version that is not supported.
type VersionError struct {
	Version uint16 // the version chosen, 0x0303 is TLS 1.2

	// Downgraded is set if the server also says that it supports TLS 1.3: then somebody in
	// between has changed the client's offer (RFC 8446 §4.1.3).
	Downgraded bool
}

func (e *VersionError) Error() string {
	if e.Downgraded {
		return fmt.Sprintf("tls13: somebody on the way brought the server to version %#04x", e.Version)
	}
	return fmt.Sprintf("tls13: server chose version %#04x, only TLS 1.3 is supported", e.Version)
}

// CertificateError tells which certificate of the server's chain is not acceptable, and why.
type CertificateError struct {
	Index  int // place in the chain, 0 is the leaf
	Reason string

	alert Alert
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("tls13: certificate %d of the server %s", e.Index, e.Reason)
}

// AlertError is an alert that the server sent.
type AlertError struct{ Alert Alert }

func (e *AlertError) Error() string { return "tls13: server sent alert " + e.Alert.String() }

// ProtocolError tells that the server broke the protocol; Alert is what it was told.
type ProtocolError struct {
	Alert  Alert
	Reason string
}

func (e *ProtocolError) Error() string { return "tls13: " + e.Reason }

func unexpectedMessage(reason string) error {
	return &ProtocolError{alertUnexpectedMessage, reason}
}

func illegalParameter(reason string) error {
	return &ProtocolError{alertIllegalParameter, reason}
}

func malformed(message string) error {
	return &ProtocolError{alertDecodeError, "malformed " + message}
}

// alertFor returns the alert that tells the server of err, if it is one that the server made.
// For certificates the alerts are those of the reference client.
func alertFor(err error) (Alert, bool) {
	var protocol *ProtocolError
	var certificate *CertificateError
	var version *VersionError
	switch {
	case errors.As(err, &protocol):
		return protocol.Alert, true
	case errors.As(err, &certificate):
		return certificate.alert, true
	case errors.As(err, &version):
		if version.Downgraded {
			return alertIllegalParameter, true
		}
		return alertProtocolVersion, true
	case errors.Is(err, ErrUnknownIdentity):
		return alertUnknownCA, true
	}
	return 0, false
}

// Alert is an alert description (RFC 8446 §6).
type Alert uint8

const (
	alertCloseNotify          Alert = 0
	alertUnexpectedMessage    Alert = 10
	alertBadRecordMAC         Alert = 20
	alertRecordOverflow       Alert = 22
	alertHandshakeFailure     Alert = 40
	alertBadCertificate       Alert = 42
	alertCertificateExpired   Alert = 45
	alertCertificateUnknown   Alert = 46
	alertIllegalParameter     Alert = 47
	alertUnknownCA            Alert = 48
	alertDecodeError          Alert = 50
	alertDecryptError         Alert = 51
	alertProtocolVersion      Alert = 70
	alertUserCanceled         Alert = 90
	alertMissingExtension     Alert = 109
	alertUnsupportedExtension Alert = 110
	alertCertificateRequired  Alert = 116
	alertNoApplicationProto   Alert = 120
)

var alertNames = map[Alert]string{
	alertCloseNotify:          "close_notify",
	alertUnexpectedMessage:    "unexpected_message",
	alertBadRecordMAC:         "bad_record_mac",
	alertRecordOverflow:       "record_overflow",
	alertHandshakeFailure:     "handshake_failure",
	alertBadCertificate:       "bad_certificate",
	43:                        "unsupported_certificate",
	44:                        "certificate_revoked",
	alertCertificateExpired:   "certificate_expired",
	alertCertificateUnknown:   "certificate_unknown",
	alertIllegalParameter:     "illegal_parameter",
	alertUnknownCA:            "unknown_ca",
	49:                        "access_denied",
	alertDecodeError:          "decode_error",
	alertDecryptError:         "decrypt_error",
	alertProtocolVersion:      "protocol_version",
	71:                        "insufficient_security",
	80:                        "internal_error",
	86:                        "inappropriate_fallback",
	alertUserCanceled:         "user_canceled",
	alertMissingExtension:     "missing_extension",
	alertUnsupportedExtension: "unsupported_extension",
	112:                       "unrecognized_name",
	alertCertificateRequired:  "certificate_required",
	alertNoApplicationProto:   "no_application_protocol",
}

func (a Alert) String() string {
	if name, ok := alertNames[a]; ok {
		return name
	}
	return fmt.Sprintf("%d", uint8(a))
}
