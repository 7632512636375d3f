package ui

import (
	"context"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/sotto-chat/sotto/core"
	"github.com/sotto-chat/sotto/core/chat"
	"github.com/sotto-chat/sotto/ui/widget"
)

// messageRows are the rows of the panel about messages: how long they stay, what was sent of pictures and files, and who may do what.
func (c *conversation) messageRows(contact *core.Contact) fyne.CanvasObject {
	rows := widget.NewColumn(0)
	add := func(row *widget.Row) {
		rows.Add(roomy(row))
		rows.Add(widget.NewLine())
	}
	add(widget.NewRow(lang.L("Pictures and files"), "", func() { c.w.showGallery(c.id) }))
	if contact.State != chat.ContactConnected {
		return rows
	}
	add(widget.NewRow(lang.L("Disappearing messages"), lifetimeName(contact.Disappearing), func() { c.chooseDisappearing(contact) }))
	for _, f := range contact.Features {
		if f.Feature != chat.FeatureTimedMessages {
			row := widget.NewRow(allowName(f.Feature), c.whoMay(f), func() { c.chooseFeature(contact, f) })
			add(row)
		}
	}
	return rows
}

// allowName is what a feature is called in the panel.
func allowName(f core.Feature) string {
	if f == chat.FeatureFiles {
		return lang.L("Sending pictures and files")
	}
	return featureName(f)
}

// whoMay says who of the two may use a feature.
func (c *conversation) whoMay(f core.FeatureState) string {
	switch {
	case f.MeAllowed && f.ContactAllowed:
		return lang.L("both of you")
	case f.MeAllowed:
		return lang.L("only you")
	case f.ContactAllowed:
		return lang.L("only {{.Name}}", map[string]any{"Name": c.name()})
	}
	return lang.L("nobody")
}

// featureOption is what somebody lets a contact do, or with asProfile what the profile lets all contacts do.
type featureOption struct {
	allow     core.Allow
	asProfile bool
}

// chooseFeature asks who may use a feature in this conversation.
func (c *conversation) chooseFeature(contact *core.Contact, f core.FeatureState) {
	name := map[string]any{"Name": c.name()}
	asProfile := option[featureOption]{featureOption{asProfile: true}, lang.L("As for everybody"), lang.L("What you have set for all contacts.")}
	options := []option[featureOption]{
		{featureOption{allow: chat.Always}, lang.L("Always"), lang.L("{{.Name}} may use it, whether you may or not.", name)},
		{featureOption{allow: chat.Yes}, lang.L("If {{.Name}} allows it too", name), lang.L("Either both of you may use it, or nobody.")},
		{featureOption{allow: chat.No}, lang.L("No"), lang.L("{{.Name}} may not use it.", name)},
	}
	chosen := featureOption{allow: f.Mine}
	if contact.IncognitoName == "" { // else nothing that is set for all counts
		options = append([]option[featureOption]{asProfile}, options...)
		if !f.Own {
			chosen = asProfile.value
		}
	}
	lead := lang.L("{{.Name}} lets you use it.", name)
	switch f.Theirs {
	case chat.Yes:
		lead = lang.L("{{.Name}} lets you use it if you let {{.Name}} use it.", name)
	case chat.No:
		lead = lang.L("{{.Name}} does not let you use it.", name)
	}
	profile, id := c.profile, c.id
	chooseOption(c.w, allowName(f.Feature), lead+" "+lang.L("{{.Name}} is told what you choose.", name), options, chosen, func(ctx context.Context, o featureOption) error {
		if o.asProfile {
			return profile.SetFeature(ctx, id, f.Feature, nil)
		}
		return profile.SetFeature(ctx, id, f.Feature, &core.Preference{Allow: o.allow})
	}, func() {})
}
