package fault

import (
	"errors"
	"strings"
	"testing"
)

func index(list []int, i int) int { return list[i] }

func meet(f func()) (err error) {
	defer Contain(&err)
	f()
	return nil
}

func TestContain(t *testing.T) {
	var told []*Error
	Report(func(e *Error) { told = append(told, e) })
	defer Report(nil)
	if err := meet(func() {}); err != nil || len(told) != 0 {
		t.Errorf("without a fault: %v, %v", err, told)
	}
	var e *Error
	err := meet(func() { index(nil, 7) })
	if !errors.As(err, &e) || len(told) != 1 || told[0] != e {
		t.Fatalf("an index: %v, %v", err, told)
	}
	if text := err.Error(); !strings.Contains(text, "fault_test.go:") || !strings.Contains(text, "out of range [7]") || !strings.Contains(e.Where, "TestContain") {
		t.Errorf("told as %q, in %q", text, e.Where)
	}
	err = meet(func() { panic("a secret") })
	if text := err.Error(); strings.Contains(text, "secret") || !strings.Contains(text, "fault_test.go:") {
		t.Errorf("told as %q", text)
	}
	Report(nil)
	if err := meet(func() { panic(errors.New("x")) }); err == nil || len(told) != 2 {
		t.Error(err, told)
	}
}
