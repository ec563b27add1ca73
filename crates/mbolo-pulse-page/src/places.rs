//! Countries by name, in each language, alone and with the preposition that says "there". A table, because a preposition
//! cannot be computed: *au Gabon*, *en France*, *aux Comores*, *à Madagascar*.
//!
//! Which territories have a code is ISO 3166-1's choice, plus `XK` as networks use it; their names are the short ones that
//! people know.

use mbolo_pulse::model::Country;

use crate::texts::Language;

/// The country's name: `Gabon`; its code if it is not in the table.
pub fn name(country: Country, language: Language) -> String {
    match (find(country), language) {
        (Some(row), Language::En) => row.1.to_owned(),
        (Some(row), Language::Fr) => row.3.to_owned(),
        (None, _) => country.to_string(),
    }
}

/// Where the country is, in a sentence: `in the United States`, `au Gabon`; with its code if it is not in the table.
pub fn there(country: Country, language: Language) -> String {
    match (find(country), language) {
        (Some(row), Language::En) => row.2.to_owned(),
        (Some(row), Language::Fr) => row.4.to_owned(),
        (None, Language::En) => format!("in {country}"),
        (None, Language::Fr) => format!("dans le pays {country}"),
    }
}

/// All countries of the table, by code.
pub fn all() -> impl Iterator<Item = Country> {
    TABLE.iter().filter_map(|row| Country::new(row.0))
}

type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn find(country: Country) -> Option<&'static Row> {
    TABLE.binary_search_by_key(&country.as_str(), |row| row.0).ok().map(|at| &TABLE[at])
}

/// Code, English name and place, French name and place; by code.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("AD", "Andorra", "in Andorra", "Andorre", "en Andorre"),
    ("AE", "United Arab Emirates", "in the United Arab Emirates", "Émirats arabes unis", "aux Émirats arabes unis"),
    ("AF", "Afghanistan", "in Afghanistan", "Afghanistan", "en Afghanistan"),
    ("AG", "Antigua and Barbuda", "in Antigua and Barbuda", "Antigua-et-Barbuda", "à Antigua-et-Barbuda"),
    ("AI", "Anguilla", "in Anguilla", "Anguilla", "à Anguilla"),
    ("AL", "Albania", "in Albania", "Albanie", "en Albanie"),
    ("AM", "Armenia", "in Armenia", "Arménie", "en Arménie"),
    ("AO", "Angola", "in Angola", "Angola", "en Angola"),
    ("AQ", "Antarctica", "in Antarctica", "Antarctique", "en Antarctique"),
    ("AR", "Argentina", "in Argentina", "Argentine", "en Argentine"),
    ("AS", "American Samoa", "in American Samoa", "Samoa américaines", "aux Samoa américaines"),
    ("AT", "Austria", "in Austria", "Autriche", "en Autriche"),
    ("AU", "Australia", "in Australia", "Australie", "en Australie"),
    ("AW", "Aruba", "in Aruba", "Aruba", "à Aruba"),
    ("AX", "Åland Islands", "in the Åland Islands", "Îles d’Åland", "aux îles d’Åland"),
    ("AZ", "Azerbaijan", "in Azerbaijan", "Azerbaïdjan", "en Azerbaïdjan"),
    ("BA", "Bosnia and Herzegovina", "in Bosnia and Herzegovina", "Bosnie-Herzégovine", "en Bosnie-Herzégovine"),
    ("BB", "Barbados", "in Barbados", "Barbade", "à la Barbade"),
    ("BD", "Bangladesh", "in Bangladesh", "Bangladesh", "au Bangladesh"),
    ("BE", "Belgium", "in Belgium", "Belgique", "en Belgique"),
    ("BF", "Burkina Faso", "in Burkina Faso", "Burkina Faso", "au Burkina Faso"),
    ("BG", "Bulgaria", "in Bulgaria", "Bulgarie", "en Bulgarie"),
    ("BH", "Bahrain", "in Bahrain", "Bahreïn", "à Bahreïn"),
    ("BI", "Burundi", "in Burundi", "Burundi", "au Burundi"),
    ("BJ", "Benin", "in Benin", "Bénin", "au Bénin"),
    ("BL", "Saint Barthélemy", "in Saint Barthélemy", "Saint-Barthélemy", "à Saint-Barthélemy"),
    ("BM", "Bermuda", "in Bermuda", "Bermudes", "aux Bermudes"),
    ("BN", "Brunei", "in Brunei", "Brunei", "au Brunei"),
    ("BO", "Bolivia", "in Bolivia", "Bolivie", "en Bolivie"),
    ("BQ", "Caribbean Netherlands", "in the Caribbean Netherlands", "Pays-Bas caribéens", "aux Pays-Bas caribéens"),
    ("BR", "Brazil", "in Brazil", "Brésil", "au Brésil"),
    ("BS", "Bahamas", "in the Bahamas", "Bahamas", "aux Bahamas"),
    ("BT", "Bhutan", "in Bhutan", "Bhoutan", "au Bhoutan"),
    ("BV", "Bouvet Island", "on Bouvet Island", "Île Bouvet", "sur l’île Bouvet"),
    ("BW", "Botswana", "in Botswana", "Botswana", "au Botswana"),
    ("BY", "Belarus", "in Belarus", "Biélorussie", "en Biélorussie"),
    ("BZ", "Belize", "in Belize", "Belize", "au Belize"),
    ("CA", "Canada", "in Canada", "Canada", "au Canada"),
    ("CC", "Cocos Islands", "in the Cocos Islands", "Îles Cocos", "aux îles Cocos"),
    ("CD", "Democratic Republic of the Congo", "in the Democratic Republic of the Congo", "République démocratique du Congo", "en République démocratique du Congo"),
    ("CF", "Central African Republic", "in the Central African Republic", "République centrafricaine", "en République centrafricaine"),
    ("CG", "Republic of the Congo", "in the Republic of the Congo", "République du Congo", "en République du Congo"),
    ("CH", "Switzerland", "in Switzerland", "Suisse", "en Suisse"),
    ("CI", "Côte d’Ivoire", "in Côte d’Ivoire", "Côte d’Ivoire", "en Côte d’Ivoire"),
    ("CK", "Cook Islands", "in the Cook Islands", "Îles Cook", "aux îles Cook"),
    ("CL", "Chile", "in Chile", "Chili", "au Chili"),
    ("CM", "Cameroon", "in Cameroon", "Cameroun", "au Cameroun"),
    ("CN", "China", "in China", "Chine", "en Chine"),
    ("CO", "Colombia", "in Colombia", "Colombie", "en Colombie"),
    ("CR", "Costa Rica", "in Costa Rica", "Costa Rica", "au Costa Rica"),
    ("CU", "Cuba", "in Cuba", "Cuba", "à Cuba"),
    ("CV", "Cape Verde", "in Cape Verde", "Cap-Vert", "au Cap-Vert"),
    ("CW", "Curaçao", "in Curaçao", "Curaçao", "à Curaçao"),
    ("CX", "Christmas Island", "on Christmas Island", "Île Christmas", "sur l’île Christmas"),
    ("CY", "Cyprus", "in Cyprus", "Chypre", "à Chypre"),
    ("CZ", "Czechia", "in Czechia", "Tchéquie", "en Tchéquie"),
    ("DE", "Germany", "in Germany", "Allemagne", "en Allemagne"),
    ("DJ", "Djibouti", "in Djibouti", "Djibouti", "à Djibouti"),
    ("DK", "Denmark", "in Denmark", "Danemark", "au Danemark"),
    ("DM", "Dominica", "in Dominica", "Dominique", "à la Dominique"),
    ("DO", "Dominican Republic", "in the Dominican Republic", "République dominicaine", "en République dominicaine"),
    ("DZ", "Algeria", "in Algeria", "Algérie", "en Algérie"),
    ("EC", "Ecuador", "in Ecuador", "Équateur", "à l’Équateur"),
    ("EE", "Estonia", "in Estonia", "Estonie", "en Estonie"),
    ("EG", "Egypt", "in Egypt", "Égypte", "en Égypte"),
    ("EH", "Western Sahara", "in Western Sahara", "Sahara occidental", "au Sahara occidental"),
    ("ER", "Eritrea", "in Eritrea", "Érythrée", "en Érythrée"),
    ("ES", "Spain", "in Spain", "Espagne", "en Espagne"),
    ("ET", "Ethiopia", "in Ethiopia", "Éthiopie", "en Éthiopie"),
    ("FI", "Finland", "in Finland", "Finlande", "en Finlande"),
    ("FJ", "Fiji", "in Fiji", "Fidji", "aux Fidji"),
    ("FK", "Falkland Islands", "in the Falkland Islands", "Îles Malouines", "aux îles Malouines"),
    ("FM", "Micronesia", "in Micronesia", "Micronésie", "en Micronésie"),
    ("FO", "Faroe Islands", "in the Faroe Islands", "Îles Féroé", "aux îles Féroé"),
    ("FR", "France", "in France", "France", "en France"),
    ("GA", "Gabon", "in Gabon", "Gabon", "au Gabon"),
    ("GB", "United Kingdom", "in the United Kingdom", "Royaume-Uni", "au Royaume-Uni"),
    ("GD", "Grenada", "in Grenada", "Grenade", "à la Grenade"),
    ("GE", "Georgia", "in Georgia", "Géorgie", "en Géorgie"),
    ("GF", "French Guiana", "in French Guiana", "Guyane", "en Guyane"),
    ("GG", "Guernsey", "in Guernsey", "Guernesey", "à Guernesey"),
    ("GH", "Ghana", "in Ghana", "Ghana", "au Ghana"),
    ("GI", "Gibraltar", "in Gibraltar", "Gibraltar", "à Gibraltar"),
    ("GL", "Greenland", "in Greenland", "Groenland", "au Groenland"),
    ("GM", "Gambia", "in the Gambia", "Gambie", "en Gambie"),
    ("GN", "Guinea", "in Guinea", "Guinée", "en Guinée"),
    ("GP", "Guadeloupe", "in Guadeloupe", "Guadeloupe", "en Guadeloupe"),
    ("GQ", "Equatorial Guinea", "in Equatorial Guinea", "Guinée équatoriale", "en Guinée équatoriale"),
    ("GR", "Greece", "in Greece", "Grèce", "en Grèce"),
    ("GS", "South Georgia", "in South Georgia", "Géorgie du Sud", "en Géorgie du Sud"),
    ("GT", "Guatemala", "in Guatemala", "Guatemala", "au Guatemala"),
    ("GU", "Guam", "in Guam", "Guam", "à Guam"),
    ("GW", "Guinea-Bissau", "in Guinea-Bissau", "Guinée-Bissau", "en Guinée-Bissau"),
    ("GY", "Guyana", "in Guyana", "Guyana", "au Guyana"),
    ("HK", "Hong Kong", "in Hong Kong", "Hong Kong", "à Hong Kong"),
    ("HM", "Heard and McDonald Islands", "in the Heard and McDonald Islands", "Îles Heard-et-MacDonald", "aux îles Heard-et-MacDonald"),
    ("HN", "Honduras", "in Honduras", "Honduras", "au Honduras"),
    ("HR", "Croatia", "in Croatia", "Croatie", "en Croatie"),
    ("HT", "Haiti", "in Haiti", "Haïti", "en Haïti"),
    ("HU", "Hungary", "in Hungary", "Hongrie", "en Hongrie"),
    ("ID", "Indonesia", "in Indonesia", "Indonésie", "en Indonésie"),
    ("IE", "Ireland", "in Ireland", "Irlande", "en Irlande"),
    ("IL", "Israel", "in Israel", "Israël", "en Israël"),
    ("IM", "Isle of Man", "in the Isle of Man", "Île de Man", "sur l’île de Man"),
    ("IN", "India", "in India", "Inde", "en Inde"),
    ("IO", "British Indian Ocean Territory", "in the British Indian Ocean Territory", "Territoire britannique de l’océan Indien", "dans le Territoire britannique de l’océan Indien"),
    ("IQ", "Iraq", "in Iraq", "Irak", "en Irak"),
    ("IR", "Iran", "in Iran", "Iran", "en Iran"),
    ("IS", "Iceland", "in Iceland", "Islande", "en Islande"),
    ("IT", "Italy", "in Italy", "Italie", "en Italie"),
    ("JE", "Jersey", "in Jersey", "Jersey", "à Jersey"),
    ("JM", "Jamaica", "in Jamaica", "Jamaïque", "en Jamaïque"),
    ("JO", "Jordan", "in Jordan", "Jordanie", "en Jordanie"),
    ("JP", "Japan", "in Japan", "Japon", "au Japon"),
    ("KE", "Kenya", "in Kenya", "Kenya", "au Kenya"),
    ("KG", "Kyrgyzstan", "in Kyrgyzstan", "Kirghizistan", "au Kirghizistan"),
    ("KH", "Cambodia", "in Cambodia", "Cambodge", "au Cambodge"),
    ("KI", "Kiribati", "in Kiribati", "Kiribati", "à Kiribati"),
    ("KM", "Comoros", "in the Comoros", "Comores", "aux Comores"),
    ("KN", "Saint Kitts and Nevis", "in Saint Kitts and Nevis", "Saint-Christophe-et-Niévès", "à Saint-Christophe-et-Niévès"),
    ("KP", "North Korea", "in North Korea", "Corée du Nord", "en Corée du Nord"),
    ("KR", "South Korea", "in South Korea", "Corée du Sud", "en Corée du Sud"),
    ("KW", "Kuwait", "in Kuwait", "Koweït", "au Koweït"),
    ("KY", "Cayman Islands", "in the Cayman Islands", "Îles Caïmans", "aux îles Caïmans"),
    ("KZ", "Kazakhstan", "in Kazakhstan", "Kazakhstan", "au Kazakhstan"),
    ("LA", "Laos", "in Laos", "Laos", "au Laos"),
    ("LB", "Lebanon", "in Lebanon", "Liban", "au Liban"),
    ("LC", "Saint Lucia", "in Saint Lucia", "Sainte-Lucie", "à Sainte-Lucie"),
    ("LI", "Liechtenstein", "in Liechtenstein", "Liechtenstein", "au Liechtenstein"),
    ("LK", "Sri Lanka", "in Sri Lanka", "Sri Lanka", "au Sri Lanka"),
    ("LR", "Liberia", "in Liberia", "Liberia", "au Liberia"),
    ("LS", "Lesotho", "in Lesotho", "Lesotho", "au Lesotho"),
    ("LT", "Lithuania", "in Lithuania", "Lituanie", "en Lituanie"),
    ("LU", "Luxembourg", "in Luxembourg", "Luxembourg", "au Luxembourg"),
    ("LV", "Latvia", "in Latvia", "Lettonie", "en Lettonie"),
    ("LY", "Libya", "in Libya", "Libye", "en Libye"),
    ("MA", "Morocco", "in Morocco", "Maroc", "au Maroc"),
    ("MC", "Monaco", "in Monaco", "Monaco", "à Monaco"),
    ("MD", "Moldova", "in Moldova", "Moldavie", "en Moldavie"),
    ("ME", "Montenegro", "in Montenegro", "Monténégro", "au Monténégro"),
    ("MF", "Saint Martin", "in Saint Martin", "Saint-Martin", "à Saint-Martin"),
    ("MG", "Madagascar", "in Madagascar", "Madagascar", "à Madagascar"),
    ("MH", "Marshall Islands", "in the Marshall Islands", "Îles Marshall", "aux îles Marshall"),
    ("MK", "North Macedonia", "in North Macedonia", "Macédoine du Nord", "en Macédoine du Nord"),
    ("ML", "Mali", "in Mali", "Mali", "au Mali"),
    ("MM", "Myanmar", "in Myanmar", "Birmanie", "en Birmanie"),
    ("MN", "Mongolia", "in Mongolia", "Mongolie", "en Mongolie"),
    ("MO", "Macao", "in Macao", "Macao", "à Macao"),
    ("MP", "Northern Mariana Islands", "in the Northern Mariana Islands", "Îles Mariannes du Nord", "aux îles Mariannes du Nord"),
    ("MQ", "Martinique", "in Martinique", "Martinique", "en Martinique"),
    ("MR", "Mauritania", "in Mauritania", "Mauritanie", "en Mauritanie"),
    ("MS", "Montserrat", "in Montserrat", "Montserrat", "à Montserrat"),
    ("MT", "Malta", "in Malta", "Malte", "à Malte"),
    ("MU", "Mauritius", "in Mauritius", "Maurice", "à Maurice"),
    ("MV", "Maldives", "in the Maldives", "Maldives", "aux Maldives"),
    ("MW", "Malawi", "in Malawi", "Malawi", "au Malawi"),
    ("MX", "Mexico", "in Mexico", "Mexique", "au Mexique"),
    ("MY", "Malaysia", "in Malaysia", "Malaisie", "en Malaisie"),
    ("MZ", "Mozambique", "in Mozambique", "Mozambique", "au Mozambique"),
    ("NA", "Namibia", "in Namibia", "Namibie", "en Namibie"),
    ("NC", "New Caledonia", "in New Caledonia", "Nouvelle-Calédonie", "en Nouvelle-Calédonie"),
    ("NE", "Niger", "in Niger", "Niger", "au Niger"),
    ("NF", "Norfolk Island", "on Norfolk Island", "Île Norfolk", "sur l’île Norfolk"),
    ("NG", "Nigeria", "in Nigeria", "Nigeria", "au Nigeria"),
    ("NI", "Nicaragua", "in Nicaragua", "Nicaragua", "au Nicaragua"),
    ("NL", "Netherlands", "in the Netherlands", "Pays-Bas", "aux Pays-Bas"),
    ("NO", "Norway", "in Norway", "Norvège", "en Norvège"),
    ("NP", "Nepal", "in Nepal", "Népal", "au Népal"),
    ("NR", "Nauru", "in Nauru", "Nauru", "à Nauru"),
    ("NU", "Niue", "in Niue", "Niue", "à Niue"),
    ("NZ", "New Zealand", "in New Zealand", "Nouvelle-Zélande", "en Nouvelle-Zélande"),
    ("OM", "Oman", "in Oman", "Oman", "à Oman"),
    ("PA", "Panama", "in Panama", "Panama", "au Panama"),
    ("PE", "Peru", "in Peru", "Pérou", "au Pérou"),
    ("PF", "French Polynesia", "in French Polynesia", "Polynésie française", "en Polynésie française"),
    ("PG", "Papua New Guinea", "in Papua New Guinea", "Papouasie-Nouvelle-Guinée", "en Papouasie-Nouvelle-Guinée"),
    ("PH", "Philippines", "in the Philippines", "Philippines", "aux Philippines"),
    ("PK", "Pakistan", "in Pakistan", "Pakistan", "au Pakistan"),
    ("PL", "Poland", "in Poland", "Pologne", "en Pologne"),
    ("PM", "Saint Pierre and Miquelon", "in Saint Pierre and Miquelon", "Saint-Pierre-et-Miquelon", "à Saint-Pierre-et-Miquelon"),
    ("PN", "Pitcairn Islands", "in the Pitcairn Islands", "Îles Pitcairn", "aux îles Pitcairn"),
    ("PR", "Puerto Rico", "in Puerto Rico", "Porto Rico", "à Porto Rico"),
    ("PS", "Palestine", "in Palestine", "Palestine", "en Palestine"),
    ("PT", "Portugal", "in Portugal", "Portugal", "au Portugal"),
    ("PW", "Palau", "in Palau", "Palaos", "aux Palaos"),
    ("PY", "Paraguay", "in Paraguay", "Paraguay", "au Paraguay"),
    ("QA", "Qatar", "in Qatar", "Qatar", "au Qatar"),
    ("RE", "Réunion", "in Réunion", "Réunion", "à la Réunion"),
    ("RO", "Romania", "in Romania", "Roumanie", "en Roumanie"),
    ("RS", "Serbia", "in Serbia", "Serbie", "en Serbie"),
    ("RU", "Russia", "in Russia", "Russie", "en Russie"),
    ("RW", "Rwanda", "in Rwanda", "Rwanda", "au Rwanda"),
    ("SA", "Saudi Arabia", "in Saudi Arabia", "Arabie saoudite", "en Arabie saoudite"),
    ("SB", "Solomon Islands", "in the Solomon Islands", "Îles Salomon", "aux îles Salomon"),
    ("SC", "Seychelles", "in the Seychelles", "Seychelles", "aux Seychelles"),
    ("SD", "Sudan", "in Sudan", "Soudan", "au Soudan"),
    ("SE", "Sweden", "in Sweden", "Suède", "en Suède"),
    ("SG", "Singapore", "in Singapore", "Singapour", "à Singapour"),
    ("SH", "Saint Helena", "in Saint Helena", "Sainte-Hélène", "à Sainte-Hélène"),
    ("SI", "Slovenia", "in Slovenia", "Slovénie", "en Slovénie"),
    ("SJ", "Svalbard and Jan Mayen", "in Svalbard and Jan Mayen", "Svalbard et Jan Mayen", "au Svalbard et Jan Mayen"),
    ("SK", "Slovakia", "in Slovakia", "Slovaquie", "en Slovaquie"),
    ("SL", "Sierra Leone", "in Sierra Leone", "Sierra Leone", "en Sierra Leone"),
    ("SM", "San Marino", "in San Marino", "Saint-Marin", "à Saint-Marin"),
    ("SN", "Senegal", "in Senegal", "Sénégal", "au Sénégal"),
    ("SO", "Somalia", "in Somalia", "Somalie", "en Somalie"),
    ("SR", "Suriname", "in Suriname", "Suriname", "au Suriname"),
    ("SS", "South Sudan", "in South Sudan", "Soudan du Sud", "au Soudan du Sud"),
    ("ST", "São Tomé and Príncipe", "in São Tomé and Príncipe", "Sao Tomé-et-Principe", "à Sao Tomé-et-Principe"),
    ("SV", "El Salvador", "in El Salvador", "Salvador", "au Salvador"),
    ("SX", "Sint Maarten", "in Sint Maarten", "Saint-Martin (Pays-Bas)", "à Saint-Martin (Pays-Bas)"),
    ("SY", "Syria", "in Syria", "Syrie", "en Syrie"),
    ("SZ", "Eswatini", "in Eswatini", "Eswatini", "en Eswatini"),
    ("TC", "Turks and Caicos Islands", "in the Turks and Caicos Islands", "Îles Turques-et-Caïques", "aux îles Turques-et-Caïques"),
    ("TD", "Chad", "in Chad", "Tchad", "au Tchad"),
    ("TF", "French Southern Territories", "in the French Southern Territories", "Terres australes françaises", "dans les Terres australes françaises"),
    ("TG", "Togo", "in Togo", "Togo", "au Togo"),
    ("TH", "Thailand", "in Thailand", "Thaïlande", "en Thaïlande"),
    ("TJ", "Tajikistan", "in Tajikistan", "Tadjikistan", "au Tadjikistan"),
    ("TK", "Tokelau", "in Tokelau", "Tokelau", "aux Tokelau"),
    ("TL", "Timor-Leste", "in Timor-Leste", "Timor oriental", "au Timor oriental"),
    ("TM", "Turkmenistan", "in Turkmenistan", "Turkménistan", "au Turkménistan"),
    ("TN", "Tunisia", "in Tunisia", "Tunisie", "en Tunisie"),
    ("TO", "Tonga", "in Tonga", "Tonga", "aux Tonga"),
    ("TR", "Türkiye", "in Türkiye", "Turquie", "en Turquie"),
    ("TT", "Trinidad and Tobago", "in Trinidad and Tobago", "Trinité-et-Tobago", "à Trinité-et-Tobago"),
    ("TV", "Tuvalu", "in Tuvalu", "Tuvalu", "aux Tuvalu"),
    ("TW", "Taiwan", "in Taiwan", "Taïwan", "à Taïwan"),
    ("TZ", "Tanzania", "in Tanzania", "Tanzanie", "en Tanzanie"),
    ("UA", "Ukraine", "in Ukraine", "Ukraine", "en Ukraine"),
    ("UG", "Uganda", "in Uganda", "Ouganda", "en Ouganda"),
    ("UM", "US Outlying Islands", "in the US Outlying Islands", "Îles mineures éloignées des États-Unis", "dans les îles mineures éloignées des États-Unis"),
    ("US", "United States", "in the United States", "États-Unis", "aux États-Unis"),
    ("UY", "Uruguay", "in Uruguay", "Uruguay", "en Uruguay"),
    ("UZ", "Uzbekistan", "in Uzbekistan", "Ouzbékistan", "en Ouzbékistan"),
    ("VA", "Vatican City", "in Vatican City", "Vatican", "au Vatican"),
    ("VC", "Saint Vincent and the Grenadines", "in Saint Vincent and the Grenadines", "Saint-Vincent-et-les-Grenadines", "à Saint-Vincent-et-les-Grenadines"),
    ("VE", "Venezuela", "in Venezuela", "Venezuela", "au Venezuela"),
    ("VG", "British Virgin Islands", "in the British Virgin Islands", "Îles Vierges britanniques", "aux îles Vierges britanniques"),
    ("VI", "US Virgin Islands", "in the US Virgin Islands", "Îles Vierges des États-Unis", "aux îles Vierges des États-Unis"),
    ("VN", "Vietnam", "in Vietnam", "Vietnam", "au Vietnam"),
    ("VU", "Vanuatu", "in Vanuatu", "Vanuatu", "au Vanuatu"),
    ("WF", "Wallis and Futuna", "in Wallis and Futuna", "Wallis-et-Futuna", "à Wallis-et-Futuna"),
    ("WS", "Samoa", "in Samoa", "Samoa", "aux Samoa"),
    ("XK", "Kosovo", "in Kosovo", "Kosovo", "au Kosovo"),
    ("YE", "Yemen", "in Yemen", "Yémen", "au Yémen"),
    ("YT", "Mayotte", "in Mayotte", "Mayotte", "à Mayotte"),
    ("ZA", "South Africa", "in South Africa", "Afrique du Sud", "en Afrique du Sud"),
    ("ZM", "Zambia", "in Zambia", "Zambie", "en Zambie"),
    ("ZW", "Zimbabwe", "in Zimbabwe", "Zimbabwe", "au Zimbabwe"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        Country::new(code).expect("two letters")
    }

    #[test]
    fn the_table_is_sorted_and_has_every_country_once() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        // 249 of ISO 3166-1, and Kosovo.
        assert_eq!(TABLE.len(), 250);
        assert_eq!(all().count(), 250);
    }

    #[test]
    fn a_place_has_the_preposition_its_language_wants() {
        let (en, fr) = (Language::En, Language::Fr);
        assert_eq!(there(country("GA"), fr), "au Gabon");
        assert_eq!(there(country("FR"), fr), "en France");
        assert_eq!(there(country("KM"), fr), "aux Comores");
        assert_eq!(there(country("MG"), fr), "à Madagascar");
        assert_eq!(there(country("US"), en), "in the United States");
        assert_eq!(there(country("CI"), en), "in Côte d’Ivoire");
        assert_eq!(name(country("CX"), fr), "Île Christmas");
    }

    #[test]
    fn a_code_that_is_not_in_the_table_is_shown_as_it_is() {
        assert_eq!(name(country("QQ"), Language::En), "QQ");
        assert_eq!(there(country("QQ"), Language::Fr), "dans le pays QQ");
    }
}
