package chat

import (
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
)

// The words that incognito names are made of. There are enough for thousands of names, and none of
// them tells anything of who has it.
var (
	adjectives = [...]string{
		"Agile", "Amber", "Ancient", "Autumn", "Azure", "Bold", "Brave", "Bright", "Calm", "Careful", "Clever", "Cloudy", "Copper",
		"Coral", "Cosy", "Crimson", "Curious", "Dapper", "Daring", "Dawn", "Distant", "Dusky", "Eager", "Early", "Easy", "Emerald",
		"Evening", "Fearless", "Fleet", "Floating", "Frosty", "Gentle", "Gilded", "Glad", "Golden", "Graceful", "Grey", "Hasty", "Hidden",
		"Honest", "Humble", "Icy", "Idle", "Indigo", "Ivory", "Jolly", "Keen", "Kind", "Late", "Lively", "Lofty", "Lone", "Lucky", "Lunar",
		"Mellow", "Merry", "Mild", "Misty", "Modest", "Morning", "Mossy", "Nimble", "Noble", "Northern", "Olive", "Patient", "Placid",
		"Plain", "Polite", "Proud", "Quick", "Quiet", "Rainy", "Rapid", "Restful", "River", "Rosy", "Russet", "Sandy", "Scarlet", "Secret",
		"Serene", "Shady", "Shy", "Silent", "Silver", "Sleepy", "Snowy", "Solar", "Southern", "Spring", "Steady", "Still", "Stormy", "Subtle",
		"Summer", "Sunny", "Tawny", "Tender", "Tidy", "Tranquil", "Twilight", "Velvet", "Violet", "Wandering", "Warm", "Wild",
		"Windy", "Winter", "Wise", "Witty", "Young",
	}
	birds = [...]string{
		"Albatross", "Avocet", "Bittern", "Blackbird", "Bluebird", "Bullfinch", "Bunting", "Bustard", "Buzzard", "Canary", "Cardinal",
		"Chaffinch", "Condor", "Coot", "Cormorant", "Crane", "Crossbill", "Cuckoo", "Curlew", "Dipper", "Dove", "Dunlin", "Dunnock", "Eagle",
		"Egret", "Eider", "Falcon", "Fieldfare", "Finch", "Flamingo", "Flycatcher", "Fulmar", "Gannet", "Godwit", "Goldcrest", "Goldfinch",
		"Goose", "Goshawk", "Grebe", "Grouse", "Guillemot", "Gull", "Harrier", "Hawk", "Heron", "Hoopoe", "Hornbill", "Ibis", "Jackdaw", "Jay",
		"Kestrel", "Kingfisher", "Kite", "Kittiwake", "Kiwi", "Knot", "Lapwing", "Lark", "Linnet", "Loon", "Lorikeet", "Magpie", "Mallard",
		"Martin", "Merlin", "Moorhen", "Nightingale", "Nuthatch", "Oriole", "Osprey", "Ostrich", "Ouzel", "Owl", "Parrot", "Partridge",
		"Peacock", "Pelican", "Penguin", "Peregrine", "Petrel", "Pheasant", "Pigeon", "Pintail", "Pipit", "Plover", "Ptarmigan", "Puffin",
		"Quail", "Raven", "Razorbill", "Redpoll", "Redshank", "Redstart", "Redwing", "Robin", "Rook", "Ruff", "Sanderling", "Sandpiper",
		"Shearwater", "Shrike", "Siskin", "Skua", "Skylark", "Snipe", "Sparrow", "Spoonbill", "Starling", "Stilt", "Stork", "Swallow", "Swan",
		"Swift", "Teal", "Tern", "Thrush", "Toucan", "Turnstone", "Wagtail", "Warbler", "Waxwing", "Wheatear", "Whimbrel", "Whinchat", "Wigeon",
		"Woodcock", "Woodlark", "Woodpecker", "Wren", "Wryneck", "Yellowhammer",
	}
)

// incognitoName makes up a name such as "Quiet Heron", or returns none if none is wanted.
func (c *Chat) incognitoName(wanted bool) (string, error) {
	if !wanted {
		return "", nil
	}
	adjective, err := pickWord(c.rand, adjectives[:])
	if err != nil {
		return "", err
	}
	bird, err := pickWord(c.rand, birds[:])
	if err != nil {
		return "", err
	}
	return adjective + " " + bird, nil
}

func pickWord(random io.Reader, words []string) (string, error) {
	i, err := rand.Int(random, big.NewInt(int64(len(words))))
	if err != nil {
		return "", fmt.Errorf("making up a name: %w", err)
	}
	return words[i.Int64()], nil
}
