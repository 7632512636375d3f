package ui

import (
	"context"
	"errors"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/store/vault"
	"github.com/sotto-chat/sotto/ui/qr"
)

// sentence tells a person what went wrong and what to do about it.
func sentence(err error) string {
	var (
		kind *core.LinkKindError
		long *core.MessageTooLongError
		dial *core.DialError
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
	case errors.Is(err, errNoFile):
		return lang.L("This file can't be opened. Choose another one.")
	case errors.Is(err, qr.ErrNoCode):
		return lang.L("There is no QR code in this picture that can be read. Try a sharper picture, taken from the front.")
	case errors.Is(err, qr.ErrPicture):
		return lang.L("This file is not a picture. PNG, JPEG, GIF and WebP can be read.")
	case errors.Is(err, qr.ErrTooLarge):
		return lang.L("This picture is too large. Cut out the part with the code and try again.")

	// Messages.
	case errors.As(err, &long):
		return lang.L("This message is too long by {{.Percent}}%. Send it in parts.",
			map[string]any{"Percent": max(1, (long.Size-long.Limit)*100/max(long.Limit, 1))})
	case errors.Is(err, core.ErrNotConnected):
		return lang.L("You are not connected with this contact, so nothing can be sent.")
	case errors.Is(err, core.ErrNoContact), errors.Is(err, core.ErrNoItem):
		return lang.L("This was deleted in the meantime.")

	// Profiles.
	case errors.Is(err, core.ErrName):
		return lang.L("This name can't be used. Choose one with at least one letter, without line breaks, and not very long.")
	case errors.Is(err, core.ErrWrongPassphrase):
		return lang.L("This is not the passphrase. Check capital letters and the keyboard layout, and try again.")
	case errors.Is(err, core.ErrLocked):
		return lang.L("This profile needs its passphrase.")
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
	case errors.Is(err, core.ErrNoRelays):
		return lang.L("Enter the address of your relay.")
	case errors.Is(err, core.ErrRelayAddress):
		return lang.L("This is not the address of a relay. It looks like smp://fingerprint@host and was shown when the relay was set up.")
	case errors.Is(err, core.ErrRelayPort):
		return lang.L("Another program uses the port of the relay on this computer. Close that program and try again.")
	case errors.As(err, &dial):
		return dialSentence(dial)
	case errors.Is(err, context.DeadlineExceeded):
		return lang.L("The relay did not answer in time. Check the connection to the internet and try again.")
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

func dialSentence(e *core.DialError) string {
	switch e.Kind {
	case core.DialNotFound:
		return lang.L("The relay was not found. Check its address and the connection to the internet.")
	case core.DialRefused:
		return lang.L("The computer of the relay answers, but no relay runs there. Ask who runs it, or choose another relay.")
	case core.DialIdentity:
		return lang.L("The relay is not the one of its address: somebody may be in between. Nothing was sent.")
	case core.DialTLS:
		return lang.L("No secure connection to the relay came about: something in between may be blocking it.")
	case core.DialOnion:
		return lang.L("This relay can be reached through Tor only, which this version does not have yet.")
	case core.DialTimeout:
		return lang.L("The relay did not answer in time. Check the connection to the internet and try again.")
	default:
		return lang.L("The relay can't be reached. Check the connection to the internet.")
	}
}

// contactFailure tells why a connection did not come about, and what to do.
func contactFailure(f core.Failure) string {
	switch f {
	case chat.FailureLinkUsed:
		return lang.L("The link was used by somebody else before, or was taken back. Ask for a new one.")
	case chat.FailureVersion:
		return lang.L("The other program is too old or too new for this one. Update both and use a new link.")
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

// itemText is the text of an item as the window shows it.
func itemText(i *core.Item, name string) string {
	count := map[string]any{"Count": i.Count, "Name": name, "Text": i.Text}
	switch i.Kind {
	case chat.KindText:
		return i.Text
	case chat.KindMissing:
		return lang.N("{{.Count}} messages did not arrive.", int(i.Count), count)
	case chat.KindIntegrity:
		return lang.L("A message arrived out of its order.")
	case chat.KindUnreadable:
		return lang.N("{{.Count}} messages could not be decrypted.", int(i.Count), count)
	case chat.KindMalformed:
		return lang.N("{{.Count}} messages could not be understood.", int(i.Count), count)
	case chat.KindRenamed:
		return lang.L("This contact is now called {{.Text}}.", count)
	case chat.KindLeft:
		return lang.L("{{.Name}} has deleted this conversation.", count)
	case chat.KindOutOfSync:
		return lang.L("Messages can't be decrypted any more: the encryption has to be synchronized again.")
	case chat.KindSyncing:
		return lang.L("New keys were sent to synchronize the encryption.")
	case chat.KindSynced:
		return lang.L("The encryption is in order again, with new keys.")
	case chat.KindMoved:
		return lang.L("Messages for you wait on another relay now.")
	case chat.KindPeerMoved:
		return lang.L("Messages for {{.Name}} wait on another relay now.", count)
	}
	what := lang.L("This message can't be shown by this version yet.")
	switch i.Content {
	case "image":
		what = lang.L("A picture, which this version can't show yet.")
	case "video":
		what = lang.L("A video, which this version can't show yet.")
	case "voice":
		what = lang.L("A voice message, which this version can't play yet.")
	case "file":
		what = lang.L("A file, which this version can't receive yet.")
	}
	if i.Text != "" {
		what += "\n" + i.Text
	}
	return what
}

// notice tells whether an item is a line about the conversation rather than a message.
func isNotice(i *core.Item) bool {
	return i.Kind != chat.KindText && i.Kind != chat.KindUnsupported
}

// Errors of reading codes that are made here.
var (
	errNoClipboard = errors.New("no picture in the clipboard")
	errNoFile      = errors.New("the file can't be read")
)
