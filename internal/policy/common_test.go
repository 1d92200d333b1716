package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestCommonWords(t *testing.T) {
	words := strings.Split(strings.TrimSuffix(string(commonWords), "\n"), "\n")
	if !slices.IsSorted(words) || !strings.HasSuffix(string(commonWords), "\n") {
		t.Fatal("the list is not sorted lines")
	}
	long := 0
	for i, word := range words {
		if len(word) >= 8 {
			long++
		}
		if word != fold(word) || strings.ContainsAny(word, "\r ") {
			t.Errorf("%q would never be found", word)
		}
		if i%97 == 0 && !commonWords.contains(word) {
			t.Errorf("%q is not found", word)
		}
	}
	if long < 3000 {
		t.Errorf("%d passwords of 8 and more characters, want 3000 at least", long)
	}
}

func TestIsCommon(t *testing.T) {
	common := []string{
		// Listed.
		"password", "Password1", "1qaz2wsx", "qwertyuiop", "iloveyou", "trustno1", "sunshine", "123456", "abc123", "michelle",
		// By pattern: what the list's source leaves out.
		"88888888", "aaaaaaaaaaaaaaaaaaaa", "abababab", "12341234", "123123123", "abcabcab", "日本日本日本",
		"12345678", "87654321", "abcdefghijkl", "HGFEDCBA", "абвгдежз",
		"1234567890", "0987654321", "09876543", "poiuytrewq", "lkjhgfds", "asdfghjk", "qwertzuiop", "azertyuiop", "mnbvcxz",
		"24121987", "12241987", "19871224", "01012009",
		// Listed, and said several times.
		"passwordpassword", "qwertyqwerty", "1234512345", "HelloHelloHello",
		// What rules of composition lead to.
		"Password1!", "P@ssw0rd1", "Welcome1!", "Summer2024!", "P@$$w0rd!", "P4ssw0rd123!", "!Admin2024!", "L3tm31n!!", "$unshine1", "Pass-Word1", "I love you!", "Abc123!",
		"Password1!Password1!", "Password1Password1!", "P@ssw0rd-P@ssw0rd", "Passwort1!", "Sommer2024!",
		// Patterns under decoration.
		"Qwerty123!", "Qwertz12345!", "Abcd1234!", "#12345678", "12345678!!", "Aaaaaaa1!", "Abababab1!", "1990-01-01!", "1990-01-01 1990-01-01", "Abcd-Abcd!",
	}
	for _, raw := range common {
		if !isCommon(fold(prepared(t, raw).Text())) {
			t.Errorf("%q is let through", raw)
		}
	}
	for _, raw := range []string{
		"correct horse battery staple", "password and more", "xk7Vq2mm", "88888889x", "99999999x2", "18241987x", "31321987", "24121887",
		"ylgsvexe", "vexequomvexequomx9", "zq4zq4vv", "🔑🚪🪟🏠🌳", "暗号通信機器",
		"My-own-Secret-77", "Tulip-7-Harbour!", "Handed-Out-1843", "Handed-Out-1912", "my password is long", "Password for the tulips 7", "P@ssw0rd and more",
		"cat-7391-2846-55", "love739102847", "horse7391028475", "739123456284", "1234-7391-2846", "#&/()=?%#", "a#%&/()=?a", "7#%&/()=?7",
	} {
		if isCommon(fold(prepared(t, raw).Text())) {
			t.Errorf("%q is refused", raw)
		}
	}
}

func TestRepeatedUnit(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "aa": "a", "ab": "ab", "abab": "ab", "ababa": "ab", "aba": "aba", "abcabc": "abc", "abcab": "abcab",
		"éé": "é", "日本日本": "日本", "aabaab": "aab", "Ѐр": "Ѐр",
	} {
		if got := repeatedUnit(in); got != want {
			t.Errorf("repeatedUnit(%q) = %q, want %q", in, got, want)
		}
	}
}
