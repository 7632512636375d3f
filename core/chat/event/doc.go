// Package event is the codec of the chat protocol: the JSON messages that chat
// clients exchange inside agent messages and as connection info of handshakes
// (chat-protocol.md §1 to §9). It knows no store, no agent and no clock.
//
// [Parse] reads a body in any of its forms. It returns every message that is
// good together with the errors of those that are not, so that one bad element
// doesn't cost the rest of a batch:
//
//	msgs, errs := event.Parse(body)
//	for _, m := range msgs {
//		switch e := m.Event.(type) {
//		case event.MsgNew:
//			show(m.ID, e.Content)
//		case event.Unknown:
//			// an event of a newer version: ignored
//		}
//	}
//
// [Encode] writes a body within the [Limits] of a connection:
//
//	id, err := event.NewID(rand.Reader)
//	msg := event.Message{ID: id, Event: event.MsgNew{Content: event.Text("hello")}}
//	body, err := event.Encode(msg, event.MessageLimits(version, pq))
//
// What this package doesn't understand but has to keep (events, content types,
// reactions) is kept as raw JSON and is written again as it was read. Its errors
// name what was wrong, never what was in the message.
package event
