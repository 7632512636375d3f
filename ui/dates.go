package ui

import (
	"strconv"
	"time"

	"fyne.io/fyne/v2/lang"
)

// zone is the time zone in which times are shown.
func (w *Window) zone() *time.Location { return w.opt.Now().Location() }

// clock is a time as a bubble shows it.
func clock(t time.Time) string { return t.Format("15:04") }

// shortDate is a day as a row of a list shows it, such as "19 Nov".
func shortDate(t time.Time) string {
	return lang.L("{{.Day}} {{.Month}}", map[string]any{"Day": strconv.Itoa(t.Day()), "Month": shortMonth(t.Month())})
}

// listTime is a time as the list of conversations shows it: the clock today, the weekday in the last week, else the date.
func listTime(t, now time.Time) string {
	t = t.In(now.Location())
	switch days := daysBetween(t, now); {
	case days <= 0:
		return clock(t)
	case days < 7:
		return shortWeekday(t.Weekday())
	case t.Year() == now.Year():
		return shortDate(t)
	default:
		return numericDate(t)
	}
}

// numericDate is a day in digits, such as "2025-11-19".
func numericDate(t time.Time) string {
	return lang.L("{{.Year}}-{{.Month}}-{{.Day}}", map[string]any{"Year": t.Format("2006"), "Month": t.Format("01"), "Day": t.Format("02")})
}

// listDate is a time within a sentence, such as "today at 15:04" and "on 12 Mar".
func listDate(t, now time.Time) string {
	t = t.In(now.Location())
	switch days := daysBetween(t, now); {
	case days <= 0:
		return lang.L("today at {{.Time}}", map[string]any{"Time": clock(t)})
	case days == 1:
		return lang.L("yesterday at {{.Time}}", map[string]any{"Time": clock(t)})
	case t.Year() == now.Year():
		return lang.L("on {{.Date}}", map[string]any{"Date": shortDate(t)})
	default:
		return lang.L("on {{.Date}} {{.Year}}", map[string]any{"Date": shortDate(t), "Year": strconv.Itoa(t.Year())})
	}
}

// dayName is the day of a message as the line above the first message of a day shows it.
func dayName(t, now time.Time) string {
	t = t.In(now.Location())
	switch days := daysBetween(t, now); {
	case days <= 0:
		return lang.L("Today")
	case days == 1:
		return lang.L("Yesterday")
	case t.Year() == now.Year():
		return lang.L("{{.Weekday}}, {{.Date}}", map[string]any{"Weekday": shortWeekday(t.Weekday()), "Date": shortDate(t)})
	default:
		return lang.L("{{.Date}} {{.Year}}", map[string]any{"Date": shortDate(t), "Year": strconv.Itoa(t.Year())})
	}
}

// daysBetween counts the midnights from t to now.
func daysBetween(t, now time.Time) int {
	midnight := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	return int(midnight(now).Sub(midnight(t)).Hours() / 24)
}

func shortWeekday(d time.Weekday) string {
	switch d {
	case time.Monday:
		return lang.L("Mon")
	case time.Tuesday:
		return lang.L("Tue")
	case time.Wednesday:
		return lang.L("Wed")
	case time.Thursday:
		return lang.L("Thu")
	case time.Friday:
		return lang.L("Fri")
	case time.Saturday:
		return lang.L("Sat")
	default:
		return lang.L("Sun")
	}
}

func shortMonth(m time.Month) string {
	switch m {
	case time.January:
		return lang.L("Jan")
	case time.February:
		return lang.L("Feb")
	case time.March:
		return lang.L("Mar")
	case time.April:
		return lang.L("Apr")
	case time.May:
		return lang.L("May")
	case time.June:
		return lang.L("Jun")
	case time.July:
		return lang.L("Jul")
	case time.August:
		return lang.L("Aug")
	case time.September:
		return lang.L("Sep")
	case time.October:
		return lang.L("Oct")
	case time.November:
		return lang.L("Nov")
	default:
		return lang.L("Dec")
	}
}
