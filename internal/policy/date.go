package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// datePart is a number or the name of a month in a text, and its place there.
type datePart struct {
	text       string
	start, end int
	month      time.Month // 0 for a number
}

// firstYear and lastYear bound the dates that people know.
const firstYear, lastYear = 1900, 2099

// maxDateParts is how many parts a date and the digits around it have at most.
const maxDateParts = 3 + maxDecoration

// isDate reports whether a folded text is a date in one of the usual ways of writing, of a day or of a month:
//
//	1990-01-31  31.1.1990  1/31/90  19900131  310190  1990-01  31 January 1990  Jan. 31st, 90  31Jan1990  Januar 1990
//
// Any symbols may stand between the parts, and names are English or German. There may be a day of the week and a time of day. Where
// the year has four digits (1900 to 2099), digits may stand before and after the date: "1990-01-31!1", "013119901".
func isDate(s string) bool {
	// "31:12:90" is a date with colons, and ends in what can be a time of day.
	return isDateAlone(s) || isDateAlone(timeOfDay.ReplaceAllString(s, ""))
}

// isDateAlone is isDate without a time of day.
func isDateAlone(s string) bool {
	parts, ok := dateParts(s)
	if !ok {
		return false
	}
	if isWholeDate(parts) {
		return true
	}
	for from := range parts {
		for to := from + 1; to <= min(from+3, len(parts)); to++ {
			date := withoutDigitsAround(parts[from:to])
			around := s[:date[0].start] + s[date[len(date)-1].end:]
			// Letters in what is around belong to the date: dateParts has let no others through.
			if count(around, isDigitOrSymbol) <= maxDecoration && !namesMonth(parts[:from]) && !namesMonth(parts[to:]) && isFullDate(date) {
				return true
			}
		}
	}
	return false
}

func namesMonth(parts []datePart) bool {
	return slices.ContainsFunc(parts, func(p datePart) bool { return p.month > 0 })
}

// timeOfDay is what follows a date with a time: "T12:00:00Z", " 9:05 pm", " 12.30 Uhr".
var timeOfDay = regexp.MustCompile(`(t|\b)[0-9]{1,2}(:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?( ?(z|[+-][0-9]{2}:?[0-9]{2}|am|pm|uhr))?|[.][0-9]{2} ?uhr)$`)

// yearDigits is how many digits a full year has.
const yearDigits = 4

// withoutDigitsAround removes digits that stand directly before or after a date. Of three parts, the year keeps four digits where it
// is first or last; of one part, the eight digits that are a date remain.
func withoutDigitsAround(parts []datePart) []datePart {
	parts = slices.Clone(parts)
	first, last := &parts[0], &parts[len(parts)-1]
	switch len(parts) {
	case 1:
		if n := len(first.text); n > 8 && first.month == 0 {
			for _, at := range [...]int{0, n - 8} {
				if isCompactDate(first.text[at : at+8]) {
					*first = datePart{text: first.text[at : at+8], start: first.start + at, end: first.start + at + 8}
					break
				}
			}
		}
	case 3:
		if n := len(first.text); n > yearDigits && first.month == 0 {
			first.text, first.start = first.text[n-yearDigits:], first.end-yearDigits
		}
		if n := len(last.text); n > yearDigits && last.month == 0 {
			last.text, last.end = last.text[:yearDigits], last.start+yearDigits
		}
	}
	return parts
}

// isWholeDate reports whether the parts of a whole text are a date. As there is nothing else, a year may have two digits.
func isWholeDate(parts []datePart) bool {
	switch len(parts) {
	case 1:
		return isCompactDate(parts[0].text) || isCompactMonth(parts[0].text)
	case 2:
		return isCompactDate(parts[0].text+parts[1].text) || isMonthAndNumber(parts[0], parts[1]) || isMonthAndNumber(parts[1], parts[0])
	case 3:
		return isDay(parts)
	}
	return false
}

// isFullDate reports whether parts are a date whose year has four digits, so that they are no other numbers by accident.
func isFullDate(parts []datePart) bool {
	named, fullYear := false, false
	for _, p := range parts {
		named = named || p.month > 0
		_, full := yearOf(p)
		fullYear = fullYear || full
	}
	switch len(parts) {
	case 1:
		return len(parts[0].text) >= 7 && isCompactDate(parts[0].text)
	case 2:
		return named && fullYear && isWholeDate(parts)
	}
	return fullYear && isDay(parts)
}

// isCompactMonth reports whether digits are a month and its year in full.
func isCompactMonth(digits string) bool {
	return len(digits) == 6 && (inRange(digits[:4], firstYear, lastYear) && inRange(digits[4:], 1, 12) ||
		inRange(digits[:2], 1, 12) && inRange(digits[2:], firstYear, lastYear))
}

// isCompactDate reports whether digits are a day in one of the three usual orders: with a year from 1900 to 2099 in
// eight digits, in seven where a zero is left out, or with two digits of the year in six.
func isCompactDate(digits string) bool {
	if len(digits) == 7 {
		return slices.ContainsFunc([]int{0, 2, 4, 6}, func(at int) bool { return isCompactDate(digits[:at] + "0" + digits[at:]) })
	}
	for _, layout := range [...]string{"20060102", "02012006", "01022006", "060102", "020106", "010206"} {
		if len(layout) != len(digits) {
			continue
		}
		if t, err := time.Parse(layout, digits); err == nil && (len(layout) == 6 || t.Year() >= firstYear && t.Year() <= lastYear) {
			return true
		}
	}
	return false
}

// isMonthAndNumber reports whether the parts are a month with its year or with one of its days.
func isMonthAndNumber(month, number datePart) bool {
	year, full := yearOf(number)
	if month.month > 0 {
		return number.month == 0 && (year >= 0 || inRange(number.text, 1, 31))
	}
	return full && inRange(month.text, 1, 12)
}

// isDay reports whether three parts are a day: with the year first or last, or with the name of the month.
func isDay(parts []datePart) bool {
	for _, order := range [...]struct{ year, month, day int }{{0, 1, 2}, {0, 2, 1}, {2, 1, 0}, {2, 0, 1}, {1, 0, 2}, {1, 2, 0}} {
		year, _ := yearOf(parts[order.year])
		month := parts[order.month].month
		if month == 0 && order.year != 1 && inRange(parts[order.month].text, 1, 12) {
			month = time.Month(value(parts[order.month].text))
		}
		if year >= 0 && month > 0 && inRange(parts[order.day].text, 1, daysIn(year, month)) {
			return true
		}
	}
	return false
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// yearOf returns the year that a part can be, or -1, and whether it has all four digits.
func yearOf(p datePart) (year int, full bool) {
	switch {
	case inRange(p.text, firstYear, lastYear):
		return value(p.text), true
	case len(p.text) == 2 && inRange(p.text, 0, 99):
		return 2000 + value(p.text), false
	}
	return -1, false
}

func inRange(digits string, low, high int) bool { return value(digits) >= low && value(digits) <= high }

// value returns the number of one to four digits, and -1 for any other text.
func value(digits string) int {
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) > 4 {
		return -1
	}
	return int(n)
}

// dateParts cuts a text into numbers and names of months. It returns false if there is anything else but symbols, words that stand
// beside dates (besideDates), and what belongs to a number in English ("1st of").
func dateParts(s string) (parts []datePart, ok bool) {
	for at := 0; at < len(s); {
		rest := s[at:]
		r, size := utf8.DecodeRuneInString(rest)
		isPart := isLetterOrMark
		switch {
		case isASCIIDigit(r):
			isPart = isASCIIDigit
		case isSymbol(r):
			at += size
			continue
		}
		end := len(rest)
		if i := strings.IndexFunc(rest, func(r rune) bool { return !isPart(r) }); i == 0 {
			return nil, false
		} else if i > 0 {
			end = i
		}
		part := datePart{text: rest[:end], start: at, end: at + end}
		at += end
		if !isASCIIDigit(r) {
			if besideDates[part.text] || len(parts) > 0 && parts[len(parts)-1].month == 0 && belongsToNumber(part.text) {
				continue
			}
			if part.month = monthNames[part.text]; part.month == 0 {
				return nil, false
			}
		}
		if parts = append(parts, part); len(parts) > maxDateParts {
			return nil, false
		}
	}
	return parts, true
}

func isASCIIDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetterOrMark(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

func belongsToNumber(word string) bool {
	return slices.Contains([]string{"st", "nd", "rd", "th", "of"}, word)
}

// monthNames has the months in English and German, as fold leaves them.
var monthNames = func() map[string]time.Month {
	names := map[string]time.Month{}
	for i, month := range [...]string{
		"january jan januar jänner jaenner jän", "february feb februar feber", "march mar märz maerz mär mrz", "april apr",
		"may mai", "june jun juni", "july jul juli", "august aug", "september sep sept", "october oct oktober okt",
		"november nov", "december dec dezember dez",
	} {
		for name := range strings.FieldsSeq(month) {
			names[name] = time.Month(i + 1)
		}
	}
	return names
}()

// besideDates has the days of the week in English and German, as fold leaves them, and the words that stand before a date.
var besideDates = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq("monday mon tuesday tue tues wednesday wed thursday thu thur thurs friday fri saturday sat sunday sun " +
		"montag mo dienstag di mittwoch mi donnerstag do freitag fr samstag sa sonnabend sonntag so the den der am on") {
		names[name] = true
	}
	return names
}()
