//! A restored instance taken into Terraform's state.

use serde::{Deserialize, Serialize};

use super::RestorePlan;

/// What takes a restored instance into the state of its environment.
///
/// `terraform/environments/*` have the import block already, with a variable in it that is set to the identifier; another
/// root takes the block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerraformImport {
    /// The address of the instance in the environment.
    pub to: String,
    /// The identifier of the instance, by which the provider imports it.
    pub id: String,
}

impl TerraformImport {
    /// The address in the environments here.
    pub const ADDRESS: &'static str = "module.database.aws_db_instance.this[0]";
    /// The variable of the environments here whose value is the identifier. It stays set: the import does nothing a second
    /// time, and without it the environment would want a recovery point.
    pub const VARIABLE: &'static str = "restored_database";

    /// The block, for a root that has none.
    pub fn import_hcl(&self) -> String {
        format!("import {{\n  to = {}\n  id = {:?}\n}}\n", self.to, self.id)
    }

    /// The line of a `.tfvars` file, for the environments here.
    pub fn variable_hcl(&self) -> String {
        format!("{} = {:?}\n", Self::VARIABLE, self.id)
    }
}

impl RestorePlan {
    /// What takes the instance into the state of an environment of this project. Its identifier is one that RDS takes:
    /// letters, digits and hyphens, which need no escapes in HCL.
    pub fn import(&self) -> TerraformImport {
        TerraformImport {
            to: TerraformImport::ADDRESS.to_owned(),
            id: self.target.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_is_what_the_environments_have() {
        let import = TerraformImport {
            to: TerraformImport::ADDRESS.to_owned(),
            id: "berthcare-staging-postgres-dr".to_owned(),
        };
        assert_eq!(
            import.import_hcl(),
            "import {\n  to = module.database.aws_db_instance.this[0]\n  id = \"berthcare-staging-postgres-dr\"\n}\n"
        );
        assert_eq!(
            import.variable_hcl(),
            "restored_database = \"berthcare-staging-postgres-dr\"\n"
        );
        for (main, variables) in [
            (
                include_str!("../../../../../terraform/environments/dr/main.tf"),
                include_str!("../../../../../terraform/environments/dr/variables.tf"),
            ),
            (
                include_str!("../../../../../terraform/environments/staging/main.tf"),
                include_str!("../../../../../terraform/environments/staging/variables.tf"),
            ),
        ] {
            let (_, block) = main.split_once("\nimport {").unwrap();
            let (block, _) = block.split_once("\n}").unwrap();
            assert!(block.contains(&format!("to = {}", import.to)), "{block}");
            assert!(block.contains(&format!("var.{}", TerraformImport::VARIABLE)));
            let declared = format!("variable \"{}\" {{", TerraformImport::VARIABLE);
            assert!(variables.contains(&declared));
        }
    }
}
