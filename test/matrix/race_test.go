//go:build race

package matrix

const underRace = true
