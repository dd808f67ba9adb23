use super::*;

const PLACE: Place<'static> = Place {
    version: "2024.1",
    parent_version: "23.05.5",
    target: "ath79/generic",
    arch: "mips_24kc",
};

#[test]
fn placeholders_get_their_values() {
    let template = "https://f.example/{version}/{parentVersion}/{target}/{arch}/mesh";
    let url = "https://f.example/2024.1/23.05.5/ath79/generic/mips_24kc/mesh";
    assert_eq!(fill(template, &PLACE), Ok(url.to_owned()));
}

#[test]
fn an_unknown_placeholder_is_refused_by_its_name() {
    for (template, named) in
        [("https://f.example/{release}", "{release}"), ("https://f.example/{version", "{version")]
    {
        assert_eq!(fill(template, &PLACE), Err(BadFeedUrl::Placeholder(named.to_owned())));
    }
    assert!(matches!(fill("ftp://f.example/{arch}", &PLACE), Err(BadFeedUrl::Url(_))));
    let up = Place { version: "..", ..PLACE };
    assert!(matches!(fill("https://f.example/{version}/x", &up), Err(BadFeedUrl::Url(_))));
}

fn feed(keys: &[&str]) -> Feed {
    let keys = keys.iter().map(|&key| key.to_owned()).collect();
    Feed { name: "mesh".into(), url: "https://f.example/mesh".into(), keys }
}

#[test]
fn a_feed_has_the_line_of_the_package_manager() {
    let text = |kind| with_feeds("src/gz a https://d.example/a\n\n", &[feed(&[])], kind);
    let opkg = "src/gz a https://d.example/a\nsrc/gz mesh https://f.example/mesh\n";
    assert_eq!(text(PackageManager::Opkg), opkg);
    assert!(text(PackageManager::Apk).ends_with("\nhttps://f.example/mesh/packages.adb\n"));
}

#[test]
fn only_keys_of_the_package_manager_are_used() {
    let usign = "RWS1BD5w+adc3j2Hqg9+b66CvLR7NlHbsj7wjNVj0XGt/othDgIAOJS+";
    let feeds = [feed(&[usign])];
    assert_eq!(keys(&feeds, PackageManager::Opkg).collect::<Vec<_>>(), [usign]);
    assert_eq!(keys(&feeds, PackageManager::Apk).count(), 0);
}

fn request(packages: &[&str], diff_packages: bool) -> Request {
    let packages = packages.iter().map(|package| package.parse().unwrap()).collect();
    Request { packages, diff_packages, ..crate::request::tests::example() }
}

#[test]
fn default_packages_are_added_unless_the_request_names_them() {
    let defaults: Vec<PackageSpec> =
        ["mesh", "-ppp", "vim"].iter().map(|name| name.parse().unwrap()).collect();
    let packages = |asked: &[&str], diff| {
        let mut request = request(asked, diff);
        add_defaults(&mut request, &defaults);
        request.packages.iter().map(|package| package.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(packages(&["luci", "-vim"], false), ["mesh", "-ppp", "luci", "-vim"]);
    assert_eq!(packages(&["ppp"], false), ["mesh", "vim", "ppp"]);
    assert_eq!(packages(&["luci"], true), ["luci"]);
}
