package ui

import (
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
)

// itemText is the text of an item as the window shows it where there is room for nothing else.
func itemText(i *core.Item, name string) string {
	count := map[string]any{"Count": i.Count, "Name": name, "Text": oneLine(i.Text)}
	switch i.Kind {
	case chat.KindText, chat.KindUnsupported:
		return messageText(i)
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
		return lang.L("The encryption is in order again, with new keys. If you have compared the security code, compare it again.")
	case chat.KindMoved:
		return lang.L("Messages for you wait on another relay now.")
	case chat.KindPeerMoved:
		return lang.L("Messages for {{.Name}} wait on another relay now.", count)
	case chat.KindFeature:
		return featureNotice(i, name)
	case chat.KindDisappearing:
		return disappearingNotice(i, name)
	case chat.KindPicture:
		if i.Content == chat.Gone {
			return lang.L("{{.Name}} has no picture any more.", count)
		}
		return lang.L("{{.Name}} has a new picture.", count)
	case chat.KindProfile:
		if i.Text == "" {
			return lang.L("{{.Name}} does not describe itself any more.", count)
		}
		return lang.L("{{.Name}} says about itself: {{.Text}}", count)
	case chat.KindCall:
		if i.Content == "video" {
			return lang.L("{{.Name}} tried a video call. Sotto has no calls.", count)
		}
		return lang.L("{{.Name}} tried to call. Sotto has no calls.", count)
	}
	return lang.L("This message can't be shown by this version yet.")
}

// messageText is the text of a message, or what it holds if it has none.
func messageText(i *core.Item) string {
	what := ""
	switch {
	case !i.Deleted.IsZero():
		return takenBack(i)
	case hasMedia(i) && i.Text == "" && i.Content == "file" && i.File != nil:
		return i.File.Name
	case hasMedia(i) && i.Text == "":
		return contentName(i.Content)
	case i.Kind == chat.KindText || hasMedia(i):
		return i.Text
	}
	switch i.Content {
	case "image":
		what = lang.L("A picture, which this version can't show yet.")
	case "video":
		what = lang.L("A video, which this version can't show yet.")
	case "voice":
		what = lang.L("A voice message, which this version can't play yet.")
	case "file":
		what = lang.L("A file, which this version can't receive yet.")
	default:
		what = lang.L("This message can't be shown by this version yet.")
	}
	if i.Text != "" {
		what += "\n" + i.Text
	}
	return what
}

// featureName is what a feature is called in a title.
func featureName(f core.Feature) string {
	switch f {
	case chat.FeatureTimedMessages:
		return lang.L("Disappearing messages")
	case chat.FeatureFullDelete:
		return lang.L("Deleting for everyone")
	case chat.FeatureReactions:
		return lang.L("Reactions")
	case chat.FeatureVoice:
		return lang.L("Voice messages")
	case chat.FeatureFiles:
		return lang.L("Pictures and files")
	}
	return lang.L("Something that this version does not know")
}

// featureNotice tells who may use a feature from now on.
func featureNotice(i *core.Item, name string) string {
	data := map[string]any{"Name": name, "Feature": featureName(core.Feature(i.Text))}
	switch i.Content {
	case chat.WhoBoth:
		return lang.L("{{.Feature}}: allowed for both of you.", data)
	case chat.WhoMe:
		return lang.L("{{.Feature}}: allowed for you, not for {{.Name}}.", data)
	case chat.WhoContact:
		return lang.L("{{.Feature}}: allowed for {{.Name}}, not for you.", data)
	}
	if i.Own {
		return lang.L("{{.Feature}}: you don't allow it any more.", data)
	}
	return lang.L("{{.Feature}}: {{.Name}} does not allow it any more.", data)
}

// disappearingNotice tells after which time messages disappear.
func disappearingNotice(i *core.Item, name string) string {
	data := map[string]any{"Name": name, "Time": timeSpan(max(i.TTL, time.Second))}
	switch {
	case i.Content == chat.Offer && i.Own:
		return lang.L("You would like messages to disappear after {{.Time}}. {{.Name}} has to agree.", data)
	case i.Content == chat.Offer:
		return lang.L("{{.Name}} would like messages to disappear after {{.Time}}.", data)
	case i.TTL == 0:
		return lang.L("Messages don't disappear any more.")
	case i.Own:
		return lang.L("From now on messages disappear after {{.Time}}. You have set that.", data)
	}
	return lang.L("From now on messages disappear after {{.Time}}. {{.Name}} has set that.", data)
}

// isNotice tells whether an item is a line about the conversation rather than a message.
func isNotice(i *core.Item) bool { return !i.Kind.IsMessage() }
