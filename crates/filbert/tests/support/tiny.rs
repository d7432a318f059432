/// Writes the golden tiny BERT as an encoder folder `encoder`, with a vocabulary of its 61 words, and separable rows as
/// `rows.csv`. Included by the tests and by the examples of the documentation.
fn write_tiny(dir: &std::path::Path) {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let folder = dir.join("encoder");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(golden.join(name), folder.join(name)).unwrap();
    }
    let mut words: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
    words.extend(('a'..='z').map(String::from));
    words.extend(('a'..='z').map(|c| format!("##{c}")));
    words.extend(["0", "1", "2", "."].map(str::to_owned));
    std::fs::write(folder.join("vocab.txt"), words.join("\n") + "\n").unwrap();
    let row = |i: usize| ["abc cab,low\n", "xyz zyx,high\n", "bca a,low\n", "zx yy,high\n"][i % 4];
    let rows: String = (0..80).map(row).collect();
    std::fs::write(dir.join("rows.csv"), format!("text,label\n{rows}")).unwrap();
}
