package ui

import (
	"errors"
	"io/fs"
	"syscall"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/core/picture"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/desktop"
	"github.com/sotto-chat/sotto/ui/qr"
)

// sentence tells a person what went wrong and what to do about it.
func sentence(err error) string {
	var (
		kind  *core.LinkKindError
		long  *core.MessageTooLongError
		large *core.PictureTooLargeError
		held  *core.HeldError
		at    *core.RelayError
		tor   *core.TorProblem
		line  *core.TorBridgeError
	)
	switch {
	case err == nil:
		return ""

	// Links and codes.
	case errors.As(err, &kind):
		return linkKindSentence(kind)
	case errors.Is(err, core.ErrNotLink):
		return lang.L("There is no link for connecting in this text. It starts with simplex:/ or https:// and has a # in it.")
	case errors.Is(err, core.ErrDamagedLink):
		return lang.L("The link is incomplete or was changed on its way. Copy it again, from its first to its last character.")
	case errors.Is(err, core.ErrNewerLink):
		return lang.L("The link was made by a newer version of the program. Update Sotto and try again.")
	case errors.Is(err, core.ErrOlderLink):
		return lang.L("The link was made by a version of the program that is too old. Ask for an update there, and then for a new link.")
	case errors.Is(err, core.ErrOwnLink):
		return lang.L("This is your own link. Give it to the person you want to talk with.")
	case errors.Is(err, core.ErrLinkUsed):
		return lang.L("Somebody has opened this link already, or it was taken back. Ask for a new one.")
	case errors.Is(err, core.ErrLinkDeleted):
		return lang.L("This address was deleted by its owner. Ask for a new one.")
	case errors.Is(err, core.ErrLinkRelay):
		return lang.L("This short link is on a relay that is not known here. Ask for the full link.")
	case errors.Is(err, core.ErrBusinessLink):
		return lang.L("This is the address of a business, which this version can't connect with yet.")
	case errors.Is(err, errNoClipboard):
		return lang.L("There is neither a link nor a picture in the clipboard. Copy one of them first.")
	case errors.Is(err, errNoCopy):
		return lang.L("The clipboard can't be reached. Save the picture instead.")
	case errors.Is(err, errNoFile):
		return lang.L("This file can't be opened. Choose another one.")
	case errors.Is(err, desktop.ErrCanceled):
		return lang.L("The screen was not shown to Sotto.")
	case errors.Is(err, desktop.ErrUnavailable):
		return lang.L("This desktop does not let programs do that.")
	case errors.Is(err, desktop.ErrNoCamera):
		return lang.L("There is no camera, or another program uses it. Connect one, or read a picture instead.")
	case errors.Is(err, qr.ErrNoCode):
		return lang.L("There is no QR code in this picture that can be read. Try a sharper picture, taken from the front.")
	case errors.Is(err, qr.ErrPicture), errors.Is(err, picture.ErrFormat):
		return lang.L("This file is not a picture. PNG, JPEG, GIF and WebP can be read.")
	case errors.Is(err, qr.ErrTooLarge), errors.Is(err, picture.ErrTooLarge):
		return lang.L("This picture is too large. Cut out the part with the code and try again.")

	// Messages.
	case errors.As(err, &long):
		return lang.L("This message is too long by {{.Percent}}%. Send it in parts.",
			map[string]any{"Percent": max(1, (long.Size-long.Limit)*100/max(long.Limit, 1))})
	case errors.Is(err, core.ErrEmptyMessage):
		return lang.L("Write something first.")
	case errors.Is(err, core.ErrPeerTooOld):
		return lang.L("The other side's program is too old for that.")
	case errors.Is(err, core.ErrNotConnected):
		return lang.L("You are not connected with this contact, so nothing can be sent.")
	case errors.Is(err, core.ErrNoContact), errors.Is(err, core.ErrNoItem), errors.Is(err, core.ErrNoRequest):
		return lang.L("This was deleted in the meantime.")

	case errors.Is(err, core.ErrTooOld):
		return lang.L("Messages can be changed and taken back for a day only.")
	case errors.Is(err, core.ErrNotEditable), errors.Is(err, core.ErrNotOwn), errors.Is(err, core.ErrNotLive):
		return lang.L("This message can't be changed.")
	case errors.Is(err, core.ErrNotForwardable):
		return lang.L("This message can't be forwarded.")
	case errors.Is(err, core.ErrTooManyReactions):
		return lang.L("There can be three of your reactions under a message. Take one back first.")
	case errors.Is(err, core.ErrEmoji):
		return lang.L("Other programs of the network don't know this emoji as a reaction.")
	case errors.Is(err, core.ErrNotAllowed):
		return lang.L("This contact does not allow that.")
	case errors.Is(err, core.ErrPreference):
		return lang.L("This can't be set like that.")

	// Files.
	case errors.Is(err, core.ErrFileTooLarge):
		return lang.L("This file is too large. Files can have up to {{.Size}}.", map[string]any{"Size": byteSize(core.MaxFile)})
	case errors.Is(err, core.ErrDiskFull), errors.Is(err, syscall.ENOSPC):
		return lang.L("The disk is full. Make room and try again.")
	case errors.Is(err, core.ErrNotHere):
		return lang.L("This file was not received yet.")
	case errors.Is(err, core.ErrDamagedFile):
		return lang.L("The copy on this computer is damaged or gone. Ask for the file once more.")
	case errors.Is(err, errNoPlace):
		return lang.L("Nothing can be saved there. Choose another place.")
	case errors.Is(err, errNoTemp):
		return lang.L("The folder for temporary files can't be written to. Save the file somewhere instead.")
	case errors.Is(err, errNotKept):
		return lang.L("The folder of this profile can't be written to. Check the disk and try again.")
	case errors.Is(err, core.ErrNotRegular):
		return lang.L("Only files can be sent. Make an archive of a folder first.")
	case errors.Is(err, core.ErrFileState), errors.Is(err, core.ErrNoFile):
		return lang.L("This is not possible with this file now.")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return lang.L("This file can't be opened. Choose another one.")

	// The address.
	case errors.Is(err, core.ErrNoAddress):
		return lang.L("There is no address any more. Make a new one.")
	case errors.Is(err, core.ErrAddressExists):
		return lang.L("There is an address already. Use it, or delete it first.")

	// Profiles.
	case errors.As(err, &large):
		return lang.L("This picture can't be made small enough. Choose another one.")
	case errors.Is(err, core.ErrName):
		return lang.L("This name can't be used. Choose one with at least one letter, without line breaks, and not very long.")
	case errors.Is(err, core.ErrWrongPassphrase):
		return lang.L("This is not the passphrase. Check capital letters and the keyboard layout, and try again.")
	case errors.Is(err, core.ErrLocked):
		return lang.L("This profile needs its passphrase.")
	case errors.Is(err, core.ErrPassphraseUsed):
		return lang.L("This passphrase can't be used here. Choose another one.")
	case errors.Is(err, core.ErrNoPassphrase):
		return lang.L("Without a passphrase it can't be locked. Set one first.")
	case errors.Is(err, core.ErrNoProfile):
		return lang.L("This profile was deleted.")
	case errors.Is(err, core.ErrInUse):
		return lang.L("Another running Sotto uses this folder. Close its window first.")
	case errors.Is(err, vault.ErrKeyringEntryMissing):
		return lang.L("The keyring of this computer has no key for this profile any more. Restore the keyring from a backup.")
	case errors.Is(err, vault.ErrKeyringUnavailable):
		return lang.L("The keyring of this computer, which has the key of this profile, does not answer. Unlock it and try again.")
	case errors.Is(err, vault.ErrDamaged), errors.Is(err, vault.ErrWrongKey):
		return lang.L("The files of this profile are damaged. Restore them from a backup.")
	case errors.Is(err, vault.ErrNewerFormat), errors.Is(err, core.ErrNewerDatabase):
		return lang.L("This profile was made by a newer version of the program. Update Sotto.")

	// Relays.
	case errors.As(err, &held):
		return heldSentence(held.Relay.Hosts[0])
	case errors.Is(err, core.ErrNoRelays):
		return lang.L("Enter the address of your relay.")
	case errors.Is(err, core.ErrRelayAddress):
		return lang.L("This is not the address of a relay. It looks like smp://fingerprint@host and was shown when the relay was set up.")
	case errors.Is(err, core.ErrRelayPassword):
		return lang.L("The relay wants a password, or another one than this. Ask who runs it for the full address.")
	case errors.Is(err, core.ErrNetwork):
		return lang.L("There is no such choice of private routing.")
	// Tor.
	case errors.As(err, &line):
		return lang.L("Line {{.Line}} is not that of a bridge. It looks like: obfs4 192.0.2.1:443 0123…CDEF cert=… iat-mode=0", map[string]any{"Line": line.Line})
	case errors.Is(err, core.ErrTorBridge):
		return lang.L("One of the lines is not that of a bridge. Copy it again as a whole.")
	case errors.Is(err, core.ErrTorUpstream):
		return lang.L("This is not the address of a proxy. It looks like socks5://127.0.0.1:1080 or http://name:password@192.0.2.1:3128.")
	case errors.Is(err, core.ErrTorExisting):
		return lang.L("This is not the address of a running Tor. It looks like 127.0.0.1:9050 or /run/tor/socks.")
	case errors.Is(err, core.ErrTorOnly):
		return lang.L("This window was started for Tor only. That can't be changed until it is closed.")
	case errors.Is(err, core.ErrTorControl):
		return lang.L("This needs a Tor that Sotto can control: give its control address on the page about Tor.")
	case errors.As(err, &tor):
		return torProblem(tor)
	case errors.Is(err, core.ErrTorNotReady):
		return lang.L("Tor is not connected yet. Wait a moment, or see on the network page what keeps it.")

	case errors.Is(err, core.ErrRelayPort):
		return lang.L("Another program uses the port of the relay on this computer. Close that program and try again.")
	case core.ProblemOf(err) != "":
		text := relaySentence(core.ProblemOf(err))
		if errors.As(err, &at) {
			text = at.Relay.Hosts[0] + ": " + text
		}
		return text
	default:
		return lang.L("This did not work: {{.Reason}}", map[string]any{"Reason": err.Error()})
	}
}

func linkKindSentence(e *core.LinkKindError) string {
	switch {
	case e.Kind == core.LinkGroup, e.Kind == core.LinkChannel:
		return lang.L("This link leads to a group, which this version can't join yet.")
	case e.Kind == core.LinkRelay:
		return lang.L("This is the link of a relay, not of a person.")
	default:
		return lang.L("This kind of link can't be opened by this version yet. Ask for a one-time link.")
	}
}

// heldSentence tells why nothing is sent to a relay.
func heldSentence(host string) string {
	return lang.L("No relay of yours can pass anything on to {{.Relay}}, and a direct connection would show it your network address. You can allow that, or use Tor, on the network page.",
		map[string]any{"Relay": host})
}

// relaySentence tells what is the matter with a relay.
func relaySentence(p core.RelayProblem) string {
	switch p {
	case core.RelayNotFound:
		return lang.L("The relay was not found. Check its address and the connection to the internet.")
	case core.RelayRefuses:
		return lang.L("The computer of the relay answers, but no relay runs there. Ask who runs it, or choose another relay.")
	case core.RelayIdentity:
		return lang.L("The relay is not the one of its address: somebody may be in between. Nothing was sent.")
	case core.RelayNoTLS:
		return lang.L("No secure connection to the relay came about: something in between may be blocking it.")
	case core.RelayProtocol:
		return lang.L("What answers there does not speak as relays do. Check the address of the relay.")
	case core.RelayVersion:
		return lang.L("The relay is too old or too new for this version. Update Sotto, or choose another relay.")
	case core.RelayNeedsTor:
		return lang.L("This relay can be reached through Tor only. Choose on the network page what goes through Tor.")
	case core.RelayNoHost:
		return lang.L("The relay has no onion address, and your settings ask for one.")
	case core.RelayNoProxy:
		return lang.L("The proxy in between does not work. See on the network page what keeps it.")
	case core.RelayBeyond:
		return lang.L("A relay of yours can't reach this one at the moment. Try again later.")
	case core.RelayTimeout:
		return lang.L("The relay did not answer in time. Check the connection to the internet and try again.")
	case core.RelayLost:
		return lang.L("The connection with the relay was lost. It is made again by itself.")
	case core.RelayFull:
		return lang.L("The relay takes no more for now. Try again later.")
	case core.RelayFails:
		return lang.L("The relay has a problem of its own. Try again later, or choose another relay.")
	case core.RelayDenies:
		return lang.L("The relay wants a password, or another one than this. Ask who runs it for the full address.")
	default:
		return lang.L("The relay can't be reached. Check the connection to the internet.")
	}
}

// storeSentence tells why what arrives can't be stored.
func storeSentence(err error) string {
	if !errors.Is(err, core.ErrDiskFull) {
		err = errNotKept
	}
	return lang.L("What arrives can't be stored and waits on the relays. {{.Reason}}", map[string]any{"Reason": sentence(err)})
}

// contactFailure tells why a connection did not come about, and what to do.
func contactFailure(f core.Failure) string {
	switch f {
	case chat.FailureLinkUsed:
		return lang.L("The link was used by somebody else before, or was taken back. Ask for a new one.")
	case chat.FailureVersion:
		return lang.L("The other program is too old or too new for this one. Update both and use a new link.")
	case chat.FailureBusiness:
		return lang.L("This is the address of a business, which this version can't connect with yet.")
	case chat.FailureGone:
		return lang.L("The other side has deleted the connection. Ask for a new link.")
	case chat.FailureExpired:
		return lang.L("The relay could not be reached for too long. Ask for a new link and try again.")
	case chat.FailureRefused:
		return lang.L("The relay refused the connection. Ask for a new link.")
	default:
		return lang.L("The connection did not come about. Ask for a new link.")
	}
}

// messageFailure tells why a message was not sent.
func messageFailure(f core.Failure) string {
	switch f {
	case chat.FailureGone:
		return lang.L("The other side has deleted the connection.")
	case chat.FailureExpired:
		return lang.L("The relay could not be reached for too long.")
	case chat.FailureTooLong:
		return lang.L("The message is too long. Send it in parts.")
	case chat.FailureFull:
		return lang.L("Too many messages wait for the other side. Try again when they were online.")
	case chat.FailureRefused:
		return lang.L("The relay refused the message.")
	default:
		return lang.L("The message could not be sent.")
	}
}

// contactName is how a contact is called in the window.
func (w *Window) contactName(c *core.Contact) string {
	switch {
	case c.Alias != "":
		return c.Alias
	case c.State == chat.ContactNotes:
		return lang.L("Notes to myself")
	case c.State == chat.ContactInvited:
		return lang.L("Invitation of {{.Date}}", map[string]any{"Date": shortDate(c.Active.In(w.zone()))})
	case c.Name != "":
		return c.Name
	case c.State == chat.ContactConnecting:
		return lang.L("New contact")
	case c.State == chat.ContactFailed:
		return lang.L("Failed connection")
	default:
		return lang.L("Unnamed")
	}
}

// Errors of reading codes that are made here.
var (
	errNoCopy      = errors.New("nothing can be put into the clipboard")
	errNoClipboard = errors.New("no picture in the clipboard")
	errNoFile      = errors.New("the file can't be read")
)

// Errors of files that are made here.
var (
	errNoPlace = errors.New("nothing can be saved there")
	errNoTemp  = errors.New("the folder for temporary files can't be written to")
	errNotKept = errors.New("the folder of the profile can't be written to")
)
