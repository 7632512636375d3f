package relay

import (
	"github.com/sotto-chat/sotto/core/crypt"
	"github.com/sotto-chat/sotto/core/smp"
)

// forwarded executes RFWD: a sender's command that came through a proxy
// (smp-commands.md §9).
func (q *request) forwarded(cmd smp.Rfwd) {
	q.relay.stats.forwarded.Add(1)
	secret := q.conn.forward
	if secret == nil {
		q.fail(&smp.Error{Kind: smp.KindProxy, Proxy: &smp.ProxyError{
			Kind:   smp.ProxyBroker,
			Broker: smp.BrokerError{Kind: smp.BrokerTransport, Transport: smp.TransportNoAuth},
		}})
		return
	}
	nonce := crypt.NonceOf(q.t.CorrID)
	f, err := smp.OpenRelayForward(secret, nonce, cmd.Box)
	if err != nil {
		q.fail(asError(err))
		return
	}
	inner, err := q.conn.key.DH(f.Key)
	if err != nil {
		q.fail(smp.ErrCrypto)
		return
	}
	defer inner.Wipe()
	content, err := smp.OpenForward(&inner, crypt.NonceOf(f.CorrID), f.Box)
	if err != nil {
		q.fail(asError(err))
		return
	}
	answer, err := q.executeForwarded(f.Version, content)
	if err != nil {
		q.fail(asError(err))
		return
	}
	p := smp.Params{Version: max(f.Version, versionForwarded), SessionID: q.conn.params.SessionID}
	encoded := p.AppendTransmission(nil, &smp.Transmission{
		CorrID: []byte(answer.corrID),
		Entity: []byte(answer.entity),
		Body:   answer.message.Append(nil, f.Version),
	})
	box, err := smp.SealForward(&inner, crypt.NonceOf(f.CorrID).Reverse(), encoded)
	if err != nil {
		q.fail(smp.ErrInternal)
		return
	}
	sealed := smp.SealRelayAnswer(secret, nonce.Reverse(), f.CorrID, box)
	q.reply(outgoing{message: smp.RRes{Box: sealed}, stored: answer.stored})
}

// versionForwarded is the lowest version with an implied session id, which forwarded
// commands always have (gotchas.md 17).
const versionForwarded = 7

// executeForwarded executes the one transmission that content must hold. What can't be
// read is answered; more than one transmission is an error.
func (q *request) executeForwarded(version uint16, content []byte) (answer outgoing, err error) {
	list, err := smp.SplitBlock(nil, content)
	if err != nil {
		return outgoing{message: smp.ErrBlock}, nil
	}
	if len(list) != 1 {
		return outgoing{}, smp.ErrBlock
	}
	p := smp.Params{Version: max(version, versionForwarded), SessionID: q.conn.params.SessionID}
	t, err := p.ParseTransmission(list[0])
	if err != nil {
		return outgoing{corrID: string(t.CorrID), message: asError(err)}, nil
	}
	inner := request{conn: q.conn, relay: q.relay, version: version, t: t}
	inner.reply = func(o outgoing) {
		o.corrID, o.entity = string(t.CorrID), smp.ID(t.Entity)
		answer = o
	}
	if cmd, err := smp.ParseCommand(version, t.Body); err == nil {
		switch cmd.(type) {
		case smp.Send, smp.SKey, smp.LKey, smp.LGet:
		default:
			inner.fail(smp.ErrProhibited)
			return answer, nil
		}
	}
	inner.execute(p)
	return answer, nil
}
