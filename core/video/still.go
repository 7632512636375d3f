package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/sotto-chat/sotto/core/picture"
)

const (
	// program decodes videos, where it is installed.
	program = "ffmpeg"
	// stillTime is how long it may take, and maxStill how many bytes the picture may have that it writes.
	stillTime = 10 * time.Second
	maxStill  = 8 << 20
	// stillSide is the longest side of the picture, in pixels.
	stillSide = 640
)

// ErrUnavailable tells that there is no program on this computer that decodes videos.
var ErrUnavailable = errors.New("no program that decodes videos was found on this computer")

// Still returns a picture of a video at a path, from a time after its start. It is made by another program, which is told to open
// this file and no other, and is given little time, memory and output: use it for videos of the person only, not for what others
// have sent. The error is ErrUnavailable, or tells what went wrong.
func Still(ctx context.Context, path string, at time.Duration) (image.Image, error) {
	name, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, stillTime)
	defer cancel()
	side := strconv.Itoa(stillSide)
	cmd := exec.CommandContext(ctx, name, "-nostdin", "-v", "quiet", "-threads", "1", "-protocol_whitelist", "file", "-f", "mov",
		"-ss", strconv.FormatFloat(at.Seconds(), 'f', 3, 64), "-i", "file:"+path, "-map", "0:v:0", "-frames:v", "1",
		"-vf", "scale="+side+":"+side+":force_original_aspect_ratio=decrease", "-map_metadata", "-1", "-f", "image2pipe", "-c:v", "mjpeg", "-")
	cmd.Env = []string{}
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("making a picture of a video: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("making a picture of a video: %w", err)
	}
	limit(cmd.Process)
	var file bytes.Buffer
	_, err = io.Copy(&file, io.LimitReader(out, maxStill+1))
	if file.Len() > maxStill {
		cancel()
		err = picture.ErrTooLarge
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("making a picture of a video: %w", errors.Join(err, ctx.Err()))
	}
	return picture.Decode(file.Bytes())
}
