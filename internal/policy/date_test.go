package policy

import (
	"fmt"
	"testing"
	"time"
)

func TestIsDate(t *testing.T) {
	dates := []string{
		"1990-01-01", "1990/1/1", "1990.01.31", "1990 12 31", "1990-31-01", "31-12-1990", "12/31/1990", "31.12.1990", "1.1.1990", "1/1/90", "31.12.90",
		"90-12-31", "1990_01_01", "1990, 01, 01", "29.2.2000", "29.02.00", "2099-12-31", "1900-01-01",
		"19900101", "31121990", "12311990", "900131", "310190", "013190",
		"1 January 1990", "January 1, 1990", "January 1st, 1990", "1st of January 1990", "31 Dec 1990", "Dec 31 1990", "1990 December 31", "01Jan1990",
		"1JAN90", "Sept. 3, 2001", "22nd Aug 1984", "3rd-may-1999", "4TH july 1976",
		"1. Januar 1990", "1.Januar 1990", "24. Dezember 1987", "24.Dez.1987", "3. März 2001", "3. MÄRZ 2001", "3. Mrz 01", "12. Okt. 1999", "1. Jänner 1990", "1990-Mai-01",
		"January 1990", "Januar2024", "Mai 90", "24. Dezember", "Dec 24", "01/1990", "1990-12",
		"1990-01-01!", "!!1990-01-01!!", "(1 January 1990)", "1990-01-01!1", "#1 1990-01-01", "19900101-7", "Januar 2024!1",
		"Monday, 1 January 1990", "Mon 1 Jan 1990", "Montag, 1. Januar 1990", "Mo., den 1.1.1990", "the 1st of January 1990", "Mon 1990-01-01",
		"1990-01-01T00:00:00Z", "1990-01-01 12:00", "1990-01-01t12:00:00.5+02:00", "1.1.1990 12.30 Uhr", "1/1/1990 9:05 PM", "1011990!", "1990101!", "199012!!", "2412 1990", "12-1990!",
		"010119901", "0101199012", "701011990", "01.01.19901", "7711990-01-01", "1 January 199012",
		"1990:01:31", "31:12:90", "90:12:31", "1990/01:31", "1990:12:31 23:59:59", "Monday 1990-01-31!1", "!!Mo. 31.01.1990", "1990-01-31 Sunday!",
	}
	for _, raw := range dates {
		if text := prepared(t, raw).Text(); !isDate(fold(text)) || !isCommon(fold(text)) {
			t.Errorf("%q is let through", raw)
		}
	}
	for _, raw := range []string{
		"1990-01-01 and more", "x1990-01-01", "1990-13-32", "32.1.1990", "30.2.1990", "29.2.1999", "1890-01-01", "2100-01-01", "18241987", "24121887",
		"1990", "12.10.1.99", "192.168.10.12", "1 Januember 1990", "Jan Feb 1990", "January", "Tulip 1990", "1990-01-01-123456789", "Mai-Ling-1990", "may the 4th be with you", "Monday", "Mon Tue 1", "12:00:00", "Sunday 12:30", "9:05 pm", "the 1st", "2017354", "1234567", "18241987654", "01.01.1990123456789", "Monday Januember 1990", "Sunday-12345678",
		"٢٤١٢١٩٨٧", "1990年1月1日", "st of 1990", "of", "--", "", "12345", "1-1-1-1-1-1-1-1-1-1-1-1-1990-1-1", "1. Januar 1990 Linz",
	} {
		if isDate(fold(raw)) {
			t.Errorf("%q is taken for a date", raw)
		}
	}
}

// TestDatesOfEveryDay: every day of a common year and of a leap year, in every way of writing it.
func TestDatesOfEveryDay(t *testing.T) {
	german := [...]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"}
	layouts := []string{
		"2006-01-02", "2006-1-2", "02.01.2006", "2.1.2006", "1/2/2006", "01/02/06", "2.1.06", "06-01-02", "2006 01 02", "20060102", "02012006", "01022006", "060102",
		"2 January 2006", "January 2, 2006", "2 Jan 2006", "02Jan2006", "2Jan06", "Jan 2, 06", "2006-Jan-02",
	}
	for _, year := range []int{1987, 2000} {
		for day := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == year; day = day.AddDate(0, 0, 1) {
			written := []string{fmt.Sprintf("%d. %s %d", day.Day(), german[day.Month()-1], year), fmt.Sprintf("%02d.%s%d", day.Day(), german[day.Month()-1], year)}
			for _, layout := range layouts {
				written = append(written, day.Format(layout))
			}
			for _, text := range written {
				if !isCommon(fold(text)) || !isCommon(fold(text+"!")) || !isCommon(fold(text+" "+text)) {
					t.Fatalf("%q is let through", text)
				}
			}
		}
	}
}
