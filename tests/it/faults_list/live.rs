//! What running programs see: commits whose texts follow later, texts that cannot be parsed, directories that are
//! replaced. The tests of `texts_behind` run this program again as other processes, under a test named `role`.

mod texts_behind;
