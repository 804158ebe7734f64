//! An estimate as it is paid: in another currency, with taxes.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use report::{Document, Mark};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::estimate::cells_of;
use crate::money::UsdRange;
use crate::quantity::{QuantityError, Scenario, as_text, format_number, grouped, parse_number};

/// No currency has so many of its units to a dollar, and products with amounts stay exact below it.
const MOST_FOR_A_DOLLAR: Decimal = Decimal::from_parts(10_000_000, 0, 0, false, 0);

/// A currency's code of ISO 4217: three capital letters. Whether there is such a currency is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollars.
    pub const USD: Self = Self(*b"USD");

    /// Its three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvoiceError;

    fn from_str(text: &str) -> Result<Self, InvoiceError> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                Ok(Self([*a, *b, *c]))
            }
            _ => Err(InvoiceError::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why an invoice cannot be made out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvoiceError {
    /// Not three capital letters.
    #[error("{0:?} is no code of a currency, as CAD is")]
    Currency(String),
    /// A rate of nothing, or one that no currency has.
    #[error("{0} is no rate: it is how much of the currency a US dollar costs, as in 1.38")]
    Rate(Decimal),
    /// Not `NAME=PERCENT`.
    #[error("{0:?} is no tax, as GST=5 is")]
    Tax(String),
    /// The number of a rate or of a tax.
    #[error(transparent)]
    Number(#[from] QuantityError),
}

/// How much of a currency a US dollar costs, and when that was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// The currency.
    pub currency: Currency,
    /// Of the currency, for one US dollar.
    #[serde(serialize_with = "as_text")]
    pub for_a_dollar: Decimal,
    /// The day of the rate.
    pub of: Date,
}

impl Rate {
    /// `for_a_dollar` of `currency` for a US dollar, on a day.
    ///
    /// # Errors
    /// When it is not more than nothing, or more than of any currency.
    pub fn new(currency: Currency, for_a_dollar: Decimal, of: Date) -> Result<Self, InvoiceError> {
        if for_a_dollar <= Decimal::ZERO || for_a_dollar > MOST_FOR_A_DOLLAR {
            return Err(InvoiceError::Rate(for_a_dollar));
        }
        Ok(Self {
            currency,
            for_a_dollar,
            of,
        })
    }
}

/// A tax on the whole, as AWS adds it to an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tax {
    /// What it is called, as in `GST`.
    pub name: String,
    /// In percent of the amount without taxes.
    #[serde(serialize_with = "as_text")]
    pub percent: Decimal,
}

impl FromStr for Tax {
    type Err = InvoiceError;

    /// As in `GST=5`.
    fn from_str(text: &str) -> Result<Self, InvoiceError> {
        let bad = || InvoiceError::Tax(text.to_owned());
        let (name, percent) = text.split_once('=').ok_or_else(bad)?;
        let percent = parse_number(percent)?;
        if name.is_empty() || percent > Decimal::ONE_HUNDRED {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            percent,
        })
    }
}

/// An amount of a currency, with little, expected and much usage, to two digits after the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// With little usage.
    #[serde(serialize_with = "as_text")]
    pub low: Decimal,
    /// With the usage that is expected.
    #[serde(serialize_with = "as_text")]
    pub expected: Decimal,
    /// With much usage.
    #[serde(serialize_with = "as_text")]
    pub high: Decimal,
}

impl Amount {
    fn of(amount: impl Fn(Scenario) -> Decimal) -> Self {
        let rounded = |scenario| {
            let away = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
            amount(scenario).round_dp_with_strategy(2, away)
        };
        Self {
            low: rounded(Scenario::Low),
            expected: rounded(Scenario::Expected),
            high: rounded(Scenario::High),
        }
    }

    /// That of a scenario.
    pub fn get(&self, scenario: Scenario) -> Decimal {
        match scenario {
            Scenario::Low => self.low,
            Scenario::Expected => self.expected,
            Scenario::High => self.high,
        }
    }
}

/// A tax and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaxLine {
    /// The tax.
    #[serde(flatten)]
    pub tax: Tax,
    /// Rounded for itself, as on an invoice.
    pub amount: Amount,
}

/// A month's total as it is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invoice {
    /// What all its amounts are in.
    pub currency: Currency,
    /// Null for US dollars.
    pub rate: Option<Rate>,
    /// Without taxes.
    pub amount: Amount,
    /// In the order that they were named in. None is on top of another one.
    pub taxes: Vec<TaxLine>,
    /// With taxes.
    pub due: Amount,
}

impl Invoice {
    /// What a total comes to.
    pub fn new(total: UsdRange, rate: Option<Rate>, taxes: Vec<Tax>) -> Self {
        let factor = rate.map_or(Decimal::ONE, |rate| rate.for_a_dollar);
        let amount = Amount::of(|scenario| total.get(scenario).dollars() * factor);
        let taxes = taxes.into_iter().map(|tax| TaxLine {
            amount: Amount::of(|scenario| {
                amount.get(scenario) * tax.percent / Decimal::ONE_HUNDRED
            }),
            tax,
        });
        let taxes: Vec<TaxLine> = taxes.collect();
        let due = Amount::of(|scenario| {
            let taxes = taxes.iter().map(|of| of.amount.get(scenario));
            amount.get(scenario) + taxes.sum::<Decimal>()
        });
        Self {
            currency: rate.map_or(Currency::USD, |rate| rate.currency),
            rate,
            amount,
            taxes,
            due,
        }
    }

    /// Adds it to what an estimate says.
    pub(crate) fn tell(&self, document: Document, lower_bound: bool) -> Document {
        let row = |name: String, amount: &Amount| {
            let mut row = vec![name];
            let all = [amount.low, amount.expected, amount.high];
            let texts =
                all.map(|amount| format!("{} {}", grouped(&format!("{amount:.2}")), self.currency));
            row.extend(cells_of(
                texts,
                all.map(|amount| amount.is_zero()),
                lower_bound,
            ));
            (Mark::Plain, row)
        };
        let mut rows = vec![row("Without taxes".to_owned(), &self.amount)];
        for of in &self.taxes {
            let name = format!("{} {} %", of.tax.name, format_number(of.tax.percent));
            rows.push(row(name, &of.amount));
        }
        if !self.taxes.is_empty() {
            rows.push(row("With taxes".to_owned(), &self.due));
        }
        let document = document
            .heading(format!("What is paid, in {}", self.currency))
            .table(["", "Low", "Expected", "High"], rows);
        match self.rate {
            None => document,
            Some(rate) => document.text(format!(
                "1 USD = {} {}, the rate of {}; AWS takes its own rate of the day of the invoice.",
                rate.for_a_dollar.normalize(),
                rate.currency,
                rate.of
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::money::Usd;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn invoice_rounds_the_amount_and_each_tax_and_adds_them() {
        let total = UsdRange {
            low: Usd::ZERO,
            expected: "270.39".parse().unwrap(),
            high: "541.88".parse().unwrap(),
        };
        let rate = Rate::new("CAD".parse().unwrap(), number("1.3825"), date(2026, 11, 20)).unwrap();
        let taxes = vec!["GST=5".parse().unwrap(), "QST=9.975".parse().unwrap()];
        let invoice = Invoice::new(total, Some(rate), taxes);
        // 270.39 × 1.3825 = 373.814175; 5 % = 18.69; 9.975 % = 37.287…
        assert_eq!(invoice.amount.expected, number("373.81"));
        assert_eq!(invoice.taxes[0].amount.expected, number("18.69"));
        assert_eq!(invoice.taxes[1].amount.expected, number("37.29"));
        assert_eq!(invoice.due.expected, number("429.79"));
        assert_eq!(invoice.due.low, Decimal::ZERO);
        let text = invoice.tell(Document::new(), true).to_markdown();
        assert!(
            text.contains("| With taxes | unknown | ≥ 429.79 CAD |")
                && text.contains("1 USD = 1.3825 CAD, the rate of 2026-11-20"),
            "{text}"
        );
        let dollars = Invoice::new(total, None, Vec::new());
        assert_eq!(dollars.currency, Currency::USD);
        assert_eq!(dollars.due, dollars.amount);
    }

    #[test]
    fn invoice_takes_no_rate_currency_or_tax_that_is_none() {
        for text in ["cad", "CA", "CADD", "C$D"] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
        let rate = |text: &str| Rate::new(Currency::USD, number(text), date(2026, 1, 1));
        assert!(rate("0").is_err() && rate("-1").is_err() && rate("10000001").is_err());
        for text in ["GST", "=5", "GST=", "GST=-1", "GST=101", "GST=x"] {
            assert!(text.parse::<Tax>().is_err(), "{text}");
        }
    }
}
