//go:build linux

package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"
	"go.uber.org/goleak"

	"github.com/sotto-chat/sotto/core/voice"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// await waits for something.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited too long")
		panic("unreachable")
	}
}

// Devices of a server.
const (
	speaker    = "module-null-sink sink_name=speaker rate=44100"
	microphone = "module-sine-source source_name=microphone frequency=440 rate=44100"
	// ear is a microphone that hears the speaker.
	ear = "module-remap-source source_name=ear master=speaker.monitor"
)

// serve runs a sound server with some devices for the time of the test. It returns how to end it before.
func serve(t *testing.T, devices ...string) (end func()) {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "native")
	args := []string{
		"-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes", "--realtime=no", "--high-priority=no",
		"--load=module-native-protocol-unix auth-anonymous=1 socket=" + socket,
	}
	for _, d := range devices {
		args = append(args, "--load="+d)
	}
	daemon := exec.Command("pulseaudio", args...)
	var log bytes.Buffer
	daemon.Stderr = &log
	daemon.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir,
		"DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(dir, "none"))
	if err := daemon.Start(); err != nil {
		t.Fatalf("start the sound server, which packaging/setup.sh installs: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = daemon.Wait(); close(ended) }()
	end = sync.OnceFunc(func() {
		_ = daemon.Process.Kill()
		<-ended
	})
	t.Cleanup(end)
	t.Setenv("PULSE_SERVER", "unix:"+socket)
	t.Setenv("PULSE_COOKIE", filepath.Join(dir, "cookie"))
	deadline := time.After(patience)
	for {
		if s, err := dial(); err == nil {
			s.conn.Close()
			return end
		}
		select {
		case <-ended:
			t.Fatalf("the sound server ended:\n%s", log.String())
		case <-deadline:
			t.Fatal("the sound server doesn't answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tone returns a clip of a sine.
func tone(frequency float64, rate int, d time.Duration) voice.Clip {
	samples := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range samples {
		samples[i] = int16(math.MaxInt16 / 2 * math.Sin(2*math.Pi*frequency*float64(i)/float64(rate)))
	}
	return voice.Clip{Samples: samples, Rate: rate}
}

// amplitude returns how much of a frequency is in samples, 0 to 1.
func amplitude(samples []int16, frequency float64, rate int) float64 {
	var re, im float64
	for i, s := range samples {
		sin, cos := math.Sincos(2 * math.Pi * frequency * float64(i) / float64(rate))
		re, im = re+float64(s)*cos, im+float64(s)*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(samples)) / math.MaxInt16
}

// listen records what the loudspeaker plays, until the function it returns is called.
func listen(t *testing.T) (heard func() []int16) {
	t.Helper()
	s, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.limit = 100 << 20
	s.mu.Unlock()
	var reply proto.CreateRecordStreamReply
	err = s.Request(&proto.CreateRecordStream{
		SampleSpec: proto.SampleSpec{Format: proto.FormatInt16LE, Channels: 1, Rate: voice.Rate}, ChannelMap: proto.ChannelMap{proto.ChannelMono},
		SourceIndex: proto.Undefined, SourceName: "speaker.monitor", BufferMaxLength: proto.Undefined, BufferFragSize: 2000, AdjustLatency: true,
		DirectOnInputIndex: proto.Undefined, ChannelVolumes: proto.ChannelVolumes{0x10000},
	}, &reply)
	if err != nil {
		t.Fatal(err)
	}
	return func() []int16 {
		_ = s.Request(&proto.CorkRecordStream{StreamIndex: reply.StreamIndex, Corked: true}, nil)
		s.conn.Close()
		data, _ := s.recorded()
		var samples []int16
		for ; len(data) >= 2; data = data[2:] {
			samples = append(samples, int16(binary.LittleEndian.Uint16(data)))
		}
		return samples
	}
}

// pieces cuts samples into pieces of equal length; what is left at the end is dropped.
func pieces(samples []int16, d time.Duration) (cut [][]int16) {
	n := int(d * voice.Rate / time.Second)
	for ; len(samples) >= n; samples = samples[n:] {
		cut = append(cut, samples[:n])
	}
	return cut
}

// voiced keeps the pieces of 10 ms of which at least half is a tone as loud as that of tone. The server pauses where a busy
// computer doesn't let it go on: that is silence, and no part of the sound.
func voiced(samples []int16) (kept []int16) {
	const half = (math.MaxInt16 / 2) * (math.MaxInt16 / 2) / 4 // of the power of a sine
	for _, piece := range pieces(samples, 10*time.Millisecond) {
		power := 0.0
		for _, s := range piece {
			power += float64(s) * float64(s)
		}
		if power >= half*float64(len(piece)) {
			kept = append(kept, piece...)
		}
	}
	return kept
}

// median returns the amplitude of a tone in the middle one of its pieces, sorted by it.
func median(samples []int16, frequency float64) float64 {
	var all []float64
	for _, piece := range pieces(samples, 50*time.Millisecond) {
		all = append(all, amplitude(piece, frequency, voice.Rate))
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func TestRecordToMessage(t *testing.T) {
	serve(t, speaker, ear)
	p, err := Play(Playback{Clip: tone(440, 16000, time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var file voice.Encoder
	enough := make(chan struct{}, 1)
	var stopped bool
	r, err := Record(Recording{
		Write: func(s []int16) error {
			if stopped {
				t.Error("samples after Stop")
			}
			if len(s) > voice.Rate {
				t.Errorf("%d samples at once", len(s))
			}
			if file.Duration() > 500*time.Millisecond {
				select {
				case enough <- struct{}{}:
				default:
				}
			}
			return file.Write(s)
		},
		Ended: func(err error) { t.Error("ended:", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, enough)
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	if err := r.Stop(); err != nil {
		t.Error("second Stop:", err)
	}
	stopped = true
	var m4a bytes.Buffer
	if err := file.Finish(&m4a); err != nil {
		t.Fatal(err)
	}
	clip, err := voice.Decode(context.Background(), &m4a)
	if err != nil {
		t.Fatal(err)
	}
	if whole := amplitude(clip.Samples, 440, clip.Rate); whole < 0.1 {
		t.Errorf("the tone has an amplitude of %.2f", whole)
	}
}

func TestRecordEnds(t *testing.T) {
	serve(t, microphone)
	full := errors.New("disk full")
	for _, c := range []struct{ write, want error }{{voice.ErrTooLong, nil}, {full, full}} {
		ended := make(chan error, 2)
		r, err := Record(Recording{
			Write: func([]int16) error { return c.write },
			Ended: func(err error) { ended <- err },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := await(t, ended); !errors.Is(err, c.want) {
			t.Errorf("ended with %v, want %v", err, c.want)
		}
		if err := r.Stop(); !errors.Is(err, c.want) {
			t.Errorf("Stop: %v, want %v", err, c.want)
		}
		if len(ended) != 0 {
			t.Error("it ended twice")
		}
	}
}

func TestNoDevices(t *testing.T) {
	write := Recording{Write: func([]int16) error { t.Error("it records"); return nil }}
	clip := Playback{Clip: tone(440, 8000, time.Second)}
	t.Run("only a loudspeaker", func(t *testing.T) {
		serve(t, speaker)
		if _, err := Record(write); !errors.Is(err, ErrNoMicrophone) {
			t.Error("record:", err)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		serve(t)
		if _, err := Record(write); !errors.Is(err, ErrNoMicrophone) {
			t.Error("record:", err)
		}
		if _, err := Play(clip); !errors.Is(err, ErrNoSpeaker) {
			t.Error("play:", err)
		}
	})
	check := func(t *testing.T) {
		if _, err := Record(write); !errors.Is(err, ErrUnavailable) {
			t.Error("record:", err)
		}
		if _, err := Play(clip); !errors.Is(err, ErrUnavailable) {
			t.Error("play:", err)
		}
	}
	for name, address := range map[string]string{
		"no server":   "unix:" + filepath.Join(t.TempDir(), "none"),
		"odd address": "{here", "another address": "nonsense", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PULSE_SERVER", address)
			check(t)
		})
	}
	t.Run("a server that says nothing", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "native")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		t.Setenv("PULSE_SERVER", "unix:"+socket)
		if _, err := Record(write); !errors.Is(err, ErrUnavailable) {
			t.Error("record:", err)
		}
	})
}

func TestPlayNothing(t *testing.T) {
	for _, c := range []voice.Clip{{}, {Rate: 8000}, {Samples: make([]int16, 5)}} {
		if _, err := Play(Playback{Clip: c}); !errors.Is(err, voice.ErrEmpty) {
			t.Error(err)
		}
	}
}

func TestPlay(t *testing.T) {
	serve(t, speaker)
	for _, c := range []struct {
		rate  int
		d     time.Duration
		at    time.Duration
		speed float64
	}{
		{44100, 600 * time.Millisecond, 0, 0},
		{16000, 30 * time.Millisecond, 0, 1},
		{16000, 900 * time.Millisecond, 0, 1.5},
		{48000, time.Second, 500 * time.Millisecond, 1},
		{8000, time.Second, 0, 2},
	} {
		clip := tone(440, c.rate, c.d)
		heard := listen(t)
		var places []time.Duration
		ended := make(chan error, 2)
		p, err := Play(Playback{
			Clip: clip, At: c.at, Speed: c.speed,
			Progress: func(at time.Duration) { places = append(places, at) },
			Ended:    func(err error) { ended <- err },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := await(t, ended); err != nil {
			t.Fatal(err)
		}
		p.Stop()
		p.Pause()
		p.Seek(0)
		samples := voiced(heard())
		speed := max(c.speed, 1)
		got := time.Duration(len(samples)) * time.Second / voice.Rate
		want := time.Duration(float64(c.d-c.at) / speed)
		if got < want-60*time.Millisecond || got > want+60*time.Millisecond {
			t.Errorf("%+v: heard %v of sound, want %v", c, got, want)
		}
		if a := median(samples, 440); c.d > 100*time.Millisecond && a < 0.3 {
			t.Errorf("%+v: the tone has an amplitude of %.2f", c, a)
		}
		last := c.at
		for _, at := range places {
			if at < last {
				t.Errorf("%+v: it goes back from %v to %v", c, last, at)
			}
			last = at
		}
		if last != c.d || len(places) == 0 {
			t.Errorf("%+v: %d places, the last %v of %v", c, len(places), last, c.d)
		}
	}
}

func TestControls(t *testing.T) {
	serve(t, speaker)
	clip := tone(440, 16000, time.Minute)
	places := make(chan time.Duration)
	quit := make(chan struct{})
	ended := make(chan error, 1)
	p, err := Play(Playback{
		Clip: clip,
		Progress: func(at time.Duration) {
			select {
			case places <- at:
			case <-quit:
			}
		},
		Ended: func(err error) { ended <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	// reach waits until a place is told that is between two times.
	reach := func(what string, from, to time.Duration) {
		t.Helper()
		deadline := time.After(patience)
		for {
			select {
			case at := <-places:
				if at >= from && at <= to {
					return
				}
			case <-deadline:
				t.Fatalf("%s: it doesn't come to %v", what, from)
			}
		}
	}
	// settle waits until all commands have taken effect, and throws away what is told until then.
	settle := func() {
		t.Helper()
		settled := make(chan struct{})
		p.do(func() error { close(settled); return nil })
		deadline := time.After(patience)
		for {
			select {
			case <-places:
			case <-settled:
				return
			case <-deadline:
				t.Fatal("waited too long")
			}
		}
	}
	reach("start", 0, 10*time.Second)
	p.Seek(30 * time.Second)
	reach("seek", 30*time.Second, 40*time.Second)
	p.SetSpeed(2)
	settle()
	reach("speed", 30*time.Second, 40*time.Second)
	// Nothing is told while it is paused, and a seek doesn't end the pause.
	for _, f := range []func(){p.Pause, p.Pause, func() { p.Seek(10 * time.Second) }, p.Resume, func() { p.Seek(20 * time.Second) }, p.Pause} {
		f()
	}
	p.Seek(5 * time.Second)
	settle()
	select {
	case at := <-places:
		t.Errorf("it plays at %v while it is paused", at)
	case <-time.After(4 * checkEvery):
	}
	p.Resume()
	reach("resume", 5*time.Second, 15*time.Second)
	p.Seek(time.Hour)
	deadline := time.After(patience)
	for waiting := true; waiting; {
		select {
		case <-places:
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			waiting = false
		case <-deadline:
			t.Fatal("waited too long")
		}
	}
	close(quit)
	p.Stop()
}

func TestStop(t *testing.T) {
	serve(t, speaker)
	var mu sync.Mutex
	stopped := false
	first := make(chan struct{}, 1)
	p, err := Play(Playback{
		Clip: tone(440, 16000, time.Minute),
		Progress: func(time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if stopped {
				t.Error("Progress after Stop")
			}
			select {
			case first <- struct{}{}:
			default:
			}
		},
		Ended: func(err error) { t.Error("ended:", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, first)
	p.Stop()
	mu.Lock()
	stopped = true
	mu.Unlock()
	p.Stop()
	p.Resume()
}

func TestServerEnds(t *testing.T) {
	end := serve(t, speaker, microphone)
	played, recorded := make(chan error, 1), make(chan error, 1)
	playing, recording := make(chan struct{}, 1), make(chan struct{}, 1)
	tell := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	p, err := Play(Playback{
		Clip:     tone(440, 16000, time.Minute),
		Progress: func(time.Duration) { tell(playing) },
		Ended:    func(err error) { played <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Record(Recording{
		Write: func([]int16) error { tell(recording); return nil },
		Ended: func(err error) { recorded <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, playing)
	await(t, recording)
	end()
	if err := await(t, played); !errors.Is(err, ErrLost) {
		t.Error("play:", err)
	}
	if err := await(t, recorded); !errors.Is(err, ErrLost) {
		t.Error("record:", err)
	}
	p.Stop()
	if err := r.Stop(); !errors.Is(err, ErrLost) {
		t.Error("Stop:", err)
	}
}
