package kerberos

import (
	"encoding/binary"
	"time"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

type builder = cryptobyte.Builder

func build(f func(*builder)) []byte {
	b := cryptobyte.NewBuilder(nil)
	f(b)
	return b.BytesOrPanic()
}

func field(b *builder, n uint8, f func(*builder)) {
	b.AddASN1(der.Tag(n).ContextSpecific().Constructed(), f)
}

func number(b *builder, n uint8, v int64) { field(b, n, func(b *builder) { b.AddASN1Int64(v) }) }

func text(b *builder, n uint8, s string) {
	field(b, n, func(b *builder) { generalString(b, s) })
}

func generalString(b *builder, s string) {
	b.AddASN1(der.GeneralString, func(b *builder) { b.AddBytes([]byte(s)) })
}

func moment(b *builder, n uint8, t time.Time) {
	field(b, n, func(b *builder) { b.AddASN1GeneralizedTime(t) })
}

func principal(b *builder, n uint8, components []string) {
	field(b, n, func(b *builder) {
		b.AddASN1(der.SEQUENCE, func(b *builder) {
			number(b, 0, 1)
			field(b, 1, func(b *builder) {
				b.AddASN1(der.SEQUENCE, func(b *builder) {
					for _, c := range components {
						generalString(b, c)
					}
				})
			})
		})
	})
}

func cipher(b *builder, n uint8, encryption int32, version uint32, content []byte) {
	field(b, n, func(b *builder) {
		b.AddASN1(der.SEQUENCE, func(b *builder) {
			number(b, 0, int64(encryption))
			if version != 0 {
				number(b, 1, int64(version))
			}
			field(b, 2, func(b *builder) { b.AddASN1OctetString(content) })
		})
	})
}

func flags(b *builder, n uint8, bits []int) {
	content := make([]byte, 4)
	for _, bit := range bits {
		content[bit/8] |= 0x80 >> (bit % 8)
	}
	field(b, n, func(b *builder) { b.AddASN1BitString(content) })
}

func utf16Of(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}
